//! Definitions survive, stay apart by namespace, and commit together.

use std::collections::BTreeMap;

use super::{
    Container, ContainerChange, Field, LabelChange, Resource, Runtime, Store, StoreError, When,
};
use crate::names::{ContainerId, Key, Namespace};

fn namespace(name: &str) -> Namespace {
    Namespace::parse(name).expect("namespace")
}

fn key(ns: &str, id: &str) -> Key {
    let id = ContainerId::parse(id).expect("id");
    Key {
        namespace: namespace(ns),
        id,
    }
}

fn container(id: &str) -> Container {
    Container::new(ContainerId::parse(id).expect("id"), Runtime::default())
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    pairs.iter().map(own).collect()
}

#[tokio::test]
async fn what_was_answered_before_its_sync_is_seen_at_once_and_synced_soon() {
    let root = tempfile::tempdir().expect("temporary directory");
    let store = Store::open(root.path()).expect("new store");
    for id in ["c1", "c2", "c3"] {
        let made = store.create_container(namespace("a"), container(id), vec![1], When::Seen);
        made.await.expect("created");
        assert!(store.container_and_spec(&key("a", id)).is_ok());
    }
    let again = store.create_container(namespace("a"), container("c1"), vec![], When::Seen);
    assert!(matches!(again.await, Err(StoreError::ContainerExists(_))));
    // What a power cut leaves is what is in the file: it is copied as it is, without a clean end.
    let copy = tempfile::tempdir().expect("temporary directory");
    for _ in 0..1000 {
        let name = "containerd.redb";
        std::fs::copy(root.path().join(name), copy.path().join(name)).expect("copied");
        // A copy taken in the middle of a write may be none.
        let left = Store::open(copy.path()).and_then(|left| left.containers(&namespace("a")));
        if left.is_ok_and(|left| left.len() == 3) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("never synced");
}

#[tokio::test]
async fn definitions_survive_a_restart_and_namespaces_keep_them_apart() {
    let root = tempfile::tempdir().expect("temporary directory");
    let store = Store::open(root.path()).expect("new store");
    for ns in ["a", "b"] {
        let made = store.create_container(namespace(ns), container("c"), ns.into(), When::Synced);
        made.await.expect("created");
    }
    let again = store.create_container(namespace("a"), container("c"), vec![], When::Synced);
    assert!(matches!(again.await, Err(StoreError::ContainerExists(_))));
    store
        .delete_container(key("b", "c"))
        .await
        .expect("deleted");
    drop(store);

    let store = reopen(root.path());
    let (_, spec) = store
        .container_and_spec(&key("a", "c"))
        .expect("still there");
    assert_eq!(spec.value, b"a");
    assert!(store.container_and_spec(&key("b", "c")).is_err());
    assert_eq!(store.containers(&namespace("b")).expect("list"), []);
    let names: Vec<_> = store
        .namespaces()
        .expect("list")
        .into_iter()
        .map(|n| n.0)
        .collect();
    assert_eq!(names, ["a", "b"], "a namespace outlives its last container");
}

/// The writer thread closes the database once its last handle is gone.
fn reopen(root: &std::path::Path) -> Store {
    loop {
        match Store::open(root) {
            Err(StoreError::Open { .. }) => std::thread::yield_now(),
            other => return other.expect("the same store"),
        }
    }
}

#[tokio::test]
async fn changes_made_at_once_all_hold() {
    let root = tempfile::tempdir().expect("temporary directory");
    let store = Store::open(root.path()).expect("new store");
    let many = (0..100).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            // Each id twice: exactly one of the two is refused.
            let id = format!("c{}", n / 2);
            store
                .create_container(namespace("ns"), container(&id), vec![], When::Synced)
                .await
                .is_ok()
        })
    });
    let mut made = 0;
    for task in many.collect::<Vec<_>>() {
        made += usize::from(task.await.expect("no panic"));
    }
    assert_eq!(made, 50);
    assert_eq!(store.containers(&namespace("ns")).expect("list").len(), 50);
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names() {
    let root = tempfile::tempdir().expect("temporary directory");
    let store = Store::open(root.path()).expect("new store");
    let mut old = container("c");
    old.labels = labels(&[("a.b", "1"), ("c", "2"), ("d", "3")]);
    old.image = "old".into();
    store
        .create_container(namespace("ns"), old.clone(), b"spec".to_vec(), When::Synced)
        .await
        .expect("created");
    let mut new = container("c");
    new.labels = labels(&[("a.b", "9"), ("c", "ignored")]);
    new.image = "ignored".into();
    let change = ContainerChange {
        container: new,
        spec: b"ignored".to_vec(),
        fields: vec![Field::Label("a.b".into()), Field::Label("d".into())],
    };
    let after = store
        .update_container(key("ns", "c"), change)
        .await
        .expect("updated");
    assert_eq!(after.labels, labels(&[("a.b", "9"), ("c", "2")]));
    assert_eq!(after.image, "old");
    let (stored, spec) = store.container_and_spec(&key("ns", "c")).expect("there");
    assert_eq!((stored, spec.value), (after, b"spec".to_vec()));
}

#[tokio::test]
async fn only_an_empty_namespace_is_deleted() {
    let root = tempfile::tempdir().expect("temporary directory");
    let store = Store::open(root.path()).expect("new store");
    store
        .create_namespace(namespace("ns"), labels(&[("a", "1")]))
        .await
        .expect("created");
    let change = LabelChange::Only(vec!["b".into()]);
    let all = store.update_namespace(namespace("ns"), labels(&[("b", "2")]), change);
    assert_eq!(
        all.await.expect("updated"),
        labels(&[("a", "1"), ("b", "2")])
    );
    store
        .create_container(namespace("ns"), container("c"), vec![], When::Synced)
        .await
        .expect("created");
    // A neighbour whose name begins alike does not count.
    store
        .create_container(namespace("ns2"), container("c"), vec![], When::Synced)
        .await
        .expect("created");
    let refused = store
        .delete_namespace(namespace("ns"))
        .await
        .expect_err("not empty");
    assert!(refused.to_string().contains("must be empty"));
    store
        .delete_container(key("ns", "c"))
        .await
        .expect("deleted");
    store
        .delete_namespace(namespace("ns"))
        .await
        .expect("deleted");
    assert!(store.namespace(&namespace("ns")).is_err());
}

#[tokio::test]
async fn a_lease_ends_when_its_time_has_come() {
    let root = tempfile::tempdir().expect("temporary directory");
    let store = Store::open(root.path()).expect("new store");
    let label = "containerd.io/gc.expire";
    for (id, labels) in [
        ("past", labels(&[(label, "2026-01-01T00:00:00Z")])),
        ("future", labels(&[(label, "2026-03-01T00:00:00+01:00")])),
        ("odd", labels(&[(label, "soon")])),
        ("forever", labels(&[])),
    ] {
        let made = store.create_lease(namespace("ns"), id.into(), labels);
        made.await.expect("created");
    }
    let now = "2026-02-01T00:00:00Z".parse().expect("a time");
    assert_eq!(store.expire_leases(now).await.expect("expired"), 1);
    assert_eq!(store.expire_leases(now).await.expect("expired"), 0);
    let left = store.leases(&namespace("ns")).expect("list").into_iter();
    let left: Vec<_> = left.map(|lease| lease.id).collect();
    assert_eq!(left, ["forever", "future", "odd"]);
}

#[tokio::test]
async fn leases_hold_resources_once() {
    let root = tempfile::tempdir().expect("temporary directory");
    let store = Store::open(root.path()).expect("new store");
    let ns = || namespace("ns");
    store
        .create_lease(ns(), "l".into(), labels(&[]))
        .await
        .expect("created");
    assert!(
        store
            .create_lease(ns(), "l".into(), labels(&[]))
            .await
            .is_err()
    );
    let resource = Resource {
        id: "sha256:0".into(),
        kind: "content".into(),
    };
    for _ in 0..2 {
        store
            .lease_resource(ns(), "l".into(), resource.clone())
            .await
            .expect("added");
    }
    assert_eq!(
        store.lease_resources(&ns(), "l").expect("list"),
        std::slice::from_ref(&resource)
    );
    store
        .release_resource(ns(), "l".into(), resource)
        .await
        .expect("released");
    assert_eq!(store.lease_resources(&ns(), "l").expect("list"), []);
    store.delete_lease(ns(), "l".into()).await.expect("deleted");
    assert!(store.lease_resources(&ns(), "l").is_err());
}
