//! Docker's rules for `rmi`, `tag` and `prune`.

use gantry_ids::{ContainerId, ImageId};
use gantry_image::{ContainerUse, ImageError, PruneFilter, RemoveOptions, Removed};
use gantry_layer::LayerStore as _;
use serde_json::json;

use crate::archives::{LayersNow, TestStore, config, docker, layer, with};

const FORCE: RemoveOptions = RemoveOptions {
    force: true,
    keep_parents: false,
};

fn nobody(_: &ImageId) -> Vec<ContainerUse> {
    Vec::new()
}

fn user(running: bool) -> impl Fn(&ImageId) -> Vec<ContainerUse> {
    let id = ContainerId::generate();
    move |_| {
        vec![ContainerUse {
            id: id.clone(),
            running,
        }]
    }
}

/// One image of two layers under these names, and one that shares its lower layer.
fn store(names: &[&str]) -> TestStore {
    let store = TestStore::new();
    let (one, two) = ([layer("base"), layer("one")], [layer("base"), layer("two")]);
    store.load(&docker(&[
        (config(&one), &one, names),
        (config(&two), &two, &["other:1"]),
    ]));
    store
}

fn words(removed: &[Removed]) -> Vec<String> {
    let word = |removed: &Removed| match removed {
        Removed::Untagged { reference, .. } => format!("untagged {}", reference.familiar()),
        Removed::Image(_) => "image".to_owned(),
        Removed::Layer(_) => "layer".to_owned(),
    };
    removed.iter().map(word).collect()
}

fn remove(store: &TestStore, text: &str) -> Result<Vec<String>, String> {
    let removed = store.images.remove(text, RemoveOptions::default(), &nobody);
    removed
        .map(|removed| words(&removed))
        .map_err(|error| error.to_string())
}

#[test]
fn the_last_name_takes_the_image_with_it() {
    let store = store(&["app:1", "app:2"]);
    assert_eq!(remove(&store, "app:1").unwrap(), ["untagged app:1"]);
    assert_eq!(
        remove(&store, "app:2").unwrap(),
        ["untagged app:2", "image", "layer"]
    );
    // The layer that the other image needs is still there.
    assert_eq!(
        (store.images.list().len(), store.images.layers_now()),
        (1, 1 + 1)
    );
    let store = store.reopen();
    assert_eq!(
        remove(&store, "other:1").unwrap(),
        ["untagged other:1", "image", "layer", "layer"]
    );
    assert_eq!(
        (store.images.list().len(), store.images.layers_now()),
        (0, 0)
    );
}

#[test]
fn a_layer_stays_until_its_last_pin_is_given_back() {
    let store = store(&["app:1"]);
    let layers = store.images.layers().list();
    let pinned = || {
        let pin = |layer: &std::sync::Arc<gantry_layer::Layer>| store.images.pin(&layer.chain);
        layers.iter().filter_map(pin).collect::<Vec<_>>()
    };
    let (first, second) = (pinned(), pinned());
    for name in ["app:1", "other:1"] {
        let removed = remove(&store, name).unwrap();
        assert_eq!(removed, [&format!("untagged {name}"), "image"]);
    }
    first.into_iter().for_each(|pin| store.images.unpin(pin));
    assert_eq!(store.images.layers_now(), layers.len());
    second.into_iter().for_each(|pin| store.images.unpin(pin));
    assert_eq!(store.images.layers_now(), 0);
}

#[test]
fn an_identifier_takes_one_name_with_it_but_not_two() {
    let store = store(&["app:1", "app:2"]);
    let id = store.images.find("app:1").unwrap().id;
    let error = remove(&store, &id.short()).unwrap_err();
    let short = id.short();
    assert_eq!(
        error,
        format!(
            "conflict: unable to delete {short} (must be forced) - image is referenced in multiple \
             repositories"
        )
    );
    let removed = store.images.remove(&short, FORCE, &nobody).unwrap();
    assert_eq!(
        words(&removed),
        ["untagged app:1", "untagged app:2", "image", "layer"]
    );
    let other = store.images.find("other").unwrap_err();
    assert_eq!(other.to_string(), "No such image: other:latest");
    let other = store.images.find("other:1").unwrap().id;
    assert_eq!(
        remove(&store, &other.to_string()).unwrap(),
        ["untagged other:1", "image", "layer", "layer"]
    );
}

#[test]
fn containers_stand_in_the_way() {
    let store = store(&["app:1"]);
    let id = store.images.find("app:1").unwrap().id;
    let (running, stopped) = (user(true), user(false));
    let short = |user: &dyn Fn(&ImageId) -> Vec<ContainerUse>| user(&id)[0].id.short().to_owned();
    let refuse = |text: &str, options, used_by: &dyn Fn(&ImageId) -> Vec<ContainerUse>| {
        let error = store.images.remove(text, options, used_by).unwrap_err();
        assert!(matches!(error, ImageError::Conflict(_)));
        error.to_string()
    };
    let image = id.short();
    assert_eq!(
        refuse("app:1", RemoveOptions::default(), &stopped),
        format!(
            "conflict: unable to remove repository reference \"app:1\" (must force) - container {} \
             is using its referenced image {image}",
            short(&stopped)
        )
    );
    assert_eq!(
        refuse(&image, RemoveOptions::default(), &stopped),
        format!(
            "conflict: unable to delete {image} (must be forced) - image is being used by stopped \
             container {}",
            short(&stopped)
        )
    );
    assert_eq!(
        refuse(&image, FORCE, &running),
        format!(
            "conflict: unable to delete {image} (cannot be forced) - image is being used by running \
             container {}",
            short(&running)
        )
    );
    // By name and with force a running container keeps the image, without its name.
    let removed = store.images.remove("app:1", FORCE, &running).unwrap();
    assert_eq!(words(&removed), ["untagged app:1"]);
    assert!(store.images.get(&id).unwrap().is_dangling());
    let removed = store.images.remove(&image, FORCE, &stopped).unwrap();
    assert_eq!(words(&removed), ["image", "layer"]);
}

#[test]
fn two_names_and_a_container_let_one_name_go() {
    let store = store(&["app:1", "app:2"]);
    let removed = store
        .images
        .remove("app:1", RemoveOptions::default(), &user(true))
        .unwrap();
    assert_eq!(words(&removed), ["untagged app:1"]);
}

#[test]
fn what_is_not_there() {
    let store = store(&["app:1"]);
    for (text, message) in [
        ("app", "No such image: app:latest"),
        ("app@sha256:x", "invalid reference format"),
        (
            "App",
            "invalid reference format: repository name (library/App) must be lowercase",
        ),
        (
            &"0".repeat(64),
            &format!("No such image: sha256:{}", "0".repeat(64)),
        ),
    ] {
        assert_eq!(remove(&store, text).unwrap_err(), message);
    }
}

#[test]
fn tags_are_given_and_moved() {
    let store = store(&["app:1"]);
    let id = store.images.find("app:1").unwrap().id;
    let other = store.images.find("other:1").unwrap().id;
    let tag = |name: &str| store.images.tag(&id, &name.parse().unwrap());
    assert_eq!(tag("new").unwrap(), None);
    assert_eq!(store.images.find("new:latest").unwrap().id, id);
    assert_eq!(tag("other:1").unwrap(), Some(other));
    assert!(store.images.get(&other).unwrap().is_dangling());
    assert!(matches!(
        tag(&format!("a@sha256:{}", "0".repeat(64))),
        Err(ImageError::TagWithDigest)
    ));
    assert!(matches!(
        tag("sha256:abc"),
        Err(ImageError::TagNamedAsDigest)
    ));
    let tags: Vec<_> = store
        .images
        .get(&id)
        .unwrap()
        .tags
        .iter()
        .map(gantry_ids::ImageRef::familiar)
        .collect();
    assert_eq!(tags, ["app:1", "new:latest", "other:1"]);
    let store = store.reopen();
    assert_eq!(store.images.get(&id).unwrap().tags.len(), 3);
}

#[test]
fn prune_takes_what_nobody_names() {
    let store = TestStore::new();
    let (one, two) = ([layer("base"), layer("one")], [layer("base"), layer("two")]);
    let labelled = with(config(&two), "config", json!({"Labels": {"keep": "yes"}}));
    store.load(&docker(&[
        (config(&one), &one, &[]),
        (labelled, &two, &["two:1"]),
    ]));
    let prune = |filter: &PruneFilter| {
        let report = store.images.prune(filter, &nobody).unwrap();
        (words(&report.removed), report.reclaimed_bytes)
    };
    let old = PruneFilter {
        until_s: Some(1),
        ..PruneFilter::default()
    };
    assert_eq!(prune(&old), (vec![], 0));
    let in_use = store
        .images
        .prune(&PruneFilter::default(), &user(false))
        .unwrap();
    assert!(in_use.removed.is_empty());
    let usage = store.images.disk_usage();
    assert_eq!(usage.layers_bytes, 10);
    assert!(
        usage
            .images
            .iter()
            .all(|image| (image.size_bytes, image.shared_bytes) == (7, 4))
    );
    let dangling = (vec!["image".to_owned(), "layer".to_owned()], 3);
    assert_eq!(prune(&PruneFilter::default()), dangling);
    let keep = vec![("keep".to_owned(), None)];
    let unlabelled = PruneFilter {
        all: true,
        not_labels: keep.clone(),
        ..PruneFilter::default()
    };
    assert_eq!(prune(&unlabelled), (vec![], 0));
    let labelled = PruneFilter {
        all: true,
        labels: keep,
        ..PruneFilter::default()
    };
    assert_eq!(
        prune(&labelled).0,
        ["untagged two:1", "image", "layer", "layer"]
    );
    assert_eq!(store.images.layers_now(), 0);
}

#[test]
fn history_names_steps_and_sizes() {
    let store = store(&["app:1"]);
    let image = store.images.find("app:1").unwrap();
    let history = store.images.history(&image);
    assert_eq!(
        history
            .iter()
            .map(|item| item.size_bytes)
            .collect::<Vec<_>>(),
        [3, 4]
    );
    assert_eq!((history[0].id, history[1].id), (Some(image.id), None));
    assert_eq!(history[0].tags, image.tags);
}
