//! The services around tasks: definitions, namespaces, leases, events, introspection, the lock.

use std::process::Stdio;

use gantry_proto::containerd::services::containers::v1::containers_client::ContainersClient;
use gantry_proto::containerd::services::containers::v1::{
    Container, GetContainerRequest, ListContainersRequest, UpdateContainerRequest,
};
use gantry_proto::containerd::services::events::v1::events_client::EventsClient;
use gantry_proto::containerd::services::events::v1::{PublishRequest, SubscribeRequest};
use gantry_proto::containerd::services::namespaces::v1::namespaces_client::NamespacesClient;
use gantry_proto::containerd::services::namespaces::v1::{
    DeleteNamespaceRequest, ListNamespacesRequest,
};
use gantry_proto::metadata;
use prost_types::{Any, FieldMask};
use tonic::Code;

use crate::engine::{Engine, eventually, within};

#[tokio::test]
async fn definitions_survive_kill_9_and_are_updated_by_mask() {
    let mut engine = Engine::running().await;
    engine.define("c", "{}").await.expect("defined");
    assert_eq!(
        engine.define("c", "{}").await.expect_err("twice").code(),
        Code::AlreadyExists
    );
    let container = Container {
        id: "c".into(),
        labels: [("a.b/c".to_owned(), "1".to_owned())].into(),
        image: "ignored".into(),
        ..Container::default()
    };
    let paths = vec!["labels.a.b/c".to_owned()];
    let request = within(UpdateContainerRequest {
        container: Some(container),
        update_mask: Some(FieldMask { paths }),
    });
    let mut containers = ContainersClient::new(engine.channel());
    containers.update(request).await.expect("updated");
    engine.kill();
    engine.start(&[]).await;
    let filters = vec![r#"labels."a.b/c"==1"#.to_owned()];
    let request = within(ListContainersRequest { filters });
    let found = containers
        .list(request)
        .await
        .expect("listed")
        .into_inner()
        .containers;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].image, "");
    assert_eq!(
        found[0].spec.as_ref().expect("a spec").value,
        b"{\"fake\":{}}"
    );
    engine.undefine("c").await.expect("deleted");
    assert_eq!(
        engine.undefine("c").await.expect_err("gone").code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_call_without_a_namespace_is_refused_and_namespaces_do_not_meet() {
    let engine = Engine::running().await;
    engine.define("c", "{}").await.expect("defined");
    let mut containers = ContainersClient::new(engine.channel());
    let id = || GetContainerRequest { id: "c".into() };
    let refused = containers.get(id()).await.expect_err("no namespace");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let elsewhere = metadata::in_namespace(id(), "other").expect("a namespace");
    let missing = containers.get(elsewhere).await.expect_err("not there");
    assert_eq!(missing.code(), Code::NotFound);
    let mut namespaces = NamespacesClient::new(engine.channel());
    let all = namespaces
        .list(ListNamespacesRequest::default())
        .await
        .expect("listed");
    let names: Vec<_> = all
        .into_inner()
        .namespaces
        .into_iter()
        .map(|n| n.name)
        .collect();
    assert_eq!(names, ["test"]);
    let name = "test".to_owned();
    let full = namespaces
        .delete(DeleteNamespaceRequest { name })
        .await
        .expect_err("not empty");
    assert_eq!(full.code(), Code::FailedPrecondition);
    for id in ["../x", "a/b", "", "a\n"] {
        let refused = engine.define(id, "{}").await.expect_err("no identifier");
        assert_eq!(refused.code(), Code::InvalidArgument, "{id:?}");
    }
}

#[tokio::test]
async fn published_events_reach_the_subscribers_that_want_them() {
    let engine = Engine::running().await;
    let mut events = EventsClient::new(engine.channel());
    let filters = vec!["namespace==test,topic~=|^/mine/|".to_owned()];
    let request = SubscribeRequest { filters };
    let mut stream = events
        .subscribe(request)
        .await
        .expect("subscribed")
        .into_inner();
    for topic in ["/other/x", "/mine/first", "/mine/second"] {
        let event = Some(Any {
            type_url: "t".into(),
            value: vec![],
        });
        let topic = topic.to_owned();
        let request = within(PublishRequest { topic, event });
        events.publish(request).await.expect("published");
    }
    for expected in ["/mine/first", "/mine/second"] {
        let envelope = stream.message().await.expect("open").expect("an event");
        assert_eq!(
            (envelope.topic.as_str(), envelope.namespace.as_str()),
            (expected, "test")
        );
    }
    let topic = "no-slash".to_owned();
    let request = within(PublishRequest {
        topic,
        event: Some(Any::default()),
    });
    assert_eq!(
        events.publish(request).await.expect_err("bad").code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_subscriber_that_comes_back_is_told_what_happened_meanwhile() {
    let mut engine = Engine::running().await;
    engine.run("c", r#"{"exit":3,"after_ms":20}"#).await;
    engine.kill();
    eventually("the container has ended", async || {
        engine.bundle("c").join("exit").exists()
    })
    .await;
    engine.start(&[]).await;
    // The shim has delivered the exit before the subscriber is back, as dockerd is.
    assert_eq!(engine.wait("c").await.expect("known"), 3);
    engine.delete("c").await.expect("deleted");
    engine.clean().await;
    let filters = vec!["topic==/tasks/exit".to_owned()];
    let mut events = EventsClient::new(engine.channel());
    let request = SubscribeRequest { filters };
    let mut stream = events
        .subscribe(request)
        .await
        .expect("subscribed")
        .into_inner();
    let envelope = stream.message().await.expect("open").expect("an event");
    assert_eq!(envelope.topic, "/tasks/exit");
}

#[tokio::test]
async fn a_start_sweeps_what_belongs_to_no_container() {
    let mut engine = Engine::running().await;
    engine.run("c", "{}").await;
    engine.kill();
    let stale = engine.path().join("s/stale");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("bound"));
    let work = engine
        .path()
        .join("root/io.containerd.runtime.v2.task/test/lost");
    std::fs::create_dir_all(&work).expect("made");
    engine.start(&[]).await;
    assert!(!stale.exists() && !work.exists());
    let live = engine.path().join("s/test.c");
    assert!(live.exists(), "what is in use stays");
    eventually("the shim is back", async || {
        engine.signal("c", 9).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_second_supervisor_is_told_who_has_the_directory() {
    let engine = Engine::running().await;
    let output = engine
        .command()
        .stderr(Stdio::piped())
        .output()
        .expect("runs");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("is in use by another containerd-lite (pid "),
        "{text}"
    );
}
