//! Pulling from a registry nobody here wrote.

use std::path::Path;

use gantry_layer::LayerStore as _;
use gantry_registry::transfer::{Event, LayerEvent};

use crate::peer::PeerRegistry;
use crate::stand::{Stand, layer_words, noise};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_pulled_with_the_same_digest() {
    let registry = PeerRegistry::start();
    let (one, two) = (Stand::new(), Stand::new());
    let name = registry.name("team/app:1");
    let id = one.import(
        &name,
        &[("hello", noise(1, 300_000)), ("etc/x", b"y".to_vec())],
    );
    let (pushed, told) = one.push(&name).await.unwrap();
    assert_eq!(
        layer_words(&told),
        [LayerEvent::Preparing, LayerEvent::Pushed]
    );
    let (pulled, told) = two.pull(&name).await.unwrap();
    assert_eq!(pulled.id, id);
    assert_eq!(pulled.digest, pushed[0].digest);
    assert!(pulled.is_new);
    assert_eq!(
        layer_words(&told),
        [
            LayerEvent::Pulling,
            LayerEvent::Verifying,
            LayerEvent::Downloaded,
            LayerEvent::Complete
        ]
    );
    assert!(matches!(&told[0], Event::Pulling { tag, path } if tag == "1" && path == "team/app"));
    assert!(two.partials().is_empty());
    let image = two.images.find(&name).unwrap();
    assert_eq!(image.digests.len(), 1);
    let file = two.images.open_in_image(&id, "/hello".as_ref()).unwrap();
    assert_eq!(file.unwrap().metadata().unwrap().len(), 300_000);
    // Again, and by digest.
    let (again, told) = two.pull(&name).await.unwrap();
    assert!(!again.is_new);
    assert_eq!(layer_words(&told), []);
    let by_digest = registry.name(&format!("team/app@{}", pulled.digest));
    assert!(!two.pull(&by_digest).await.unwrap().0.is_new);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_may_have_a_layer_twice() {
    let registry = PeerRegistry::start();
    let (one, two) = (Stand::new(), Stand::new());
    let archive = "../../../fuzz/corpus/docker_archive/linked-layer.tar";
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(archive);
    let archive = std::fs::read(archive).unwrap();
    one.images.load(&mut &*archive, &mut |_| ()).unwrap();
    let id = one.images.find("app:1").unwrap().id;
    let name = registry.name("team/twice:1");
    one.images.tag(&id, &name.parse().unwrap()).unwrap();
    one.push(&name).await.unwrap();
    let (pulled, _) = two.pull(&name).await.unwrap();
    assert_eq!(pulled.id, id);
    assert_eq!(two.images.layers().list().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_in_dockers_words() {
    let registry = PeerRegistry::start();
    let stand = Stand::new();
    let name = registry.name("nope:1");
    let error = stand.pull(&name).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("manifest for {name} not found: manifest unknown: manifest unknown")
    );
    let port = registry.port;
    drop(registry);
    let error = stand.pull(&name).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Get \"http://127.0.0.1:{port}/v2/\": dial tcp 127.0.0.1:{port}: connect: connection refused"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pulls_of_one_image_do_the_work_once() {
    let registry = PeerRegistry::start();
    let (one, two) = (Stand::new(), Stand::new());
    let name = registry.name("shared:1");
    one.import(&name, &[("a", noise(2, 2_000_000))]);
    one.push(&name).await.unwrap();
    let pulls = (0..6).map(|_| two.pull(&name));
    let ends = futures_util::future::join_all(pulls).await;
    for end in ends {
        end.unwrap();
    }
    assert_eq!(two.images.list().len(), 1);
    assert!(two.partials().is_empty());
}
