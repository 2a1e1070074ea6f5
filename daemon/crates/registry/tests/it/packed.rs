//! Layers that are compressed as the request asks, pushed and saved; read by others and by us.

use gantry_ids::Digest;
use gantry_image::Packing;
use gantry_registry::Credentials;
use gantry_registry::transfer::PushRequest;
use serde_json::Value;

use crate::peer::PeerRegistry;
use crate::platforms::skopeo;
use crate::stand::{Stand, noise};

pub(crate) fn request(name: &str, packing: Packing) -> PushRequest {
    PushRequest {
        reference: name.parse().expect("a reference"),
        platform: None,
        packing: Some(packing),
        credentials: Credentials::Anonymous,
    }
}

/// The media types of an image's layers, as a registry's manifest has them.
fn media_types(name: &str) -> (Digest, Vec<String>) {
    let name = format!("docker://{name}");
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &name]);
    let manifest: Value = serde_json::from_slice(&raw).expect("JSON");
    let layers = manifest["layers"].as_array().expect("layers").iter();
    let types = layers.map(|layer| layer["mediaType"].as_str().expect("a word").to_owned());
    (Digest::of(&raw), types.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_compresses_as_it_is_asked_to() {
    let registry = PeerRegistry::start();
    let (one, two) = (Stand::new(), Stand::new());
    let name = registry.name("team/app:1");
    let id = one.import(&name, &[("a", noise(3, 300_000)), ("b", vec![0; 300_000])]);
    let all_like = |types: &[String], packing: Packing| {
        let mut all = types.iter().map(|media| Packing::of_media_type(media));
        assert!(all.all(|it| it.is_like(packing)), "{packing:?}: {types:?}");
    };
    // The last blob is there already, whatever level is asked for.
    for packing in [
        Packing::DEFAULT,
        Packing::Zstd(7),
        Packing::None,
        Packing::Zstd(1),
    ] {
        let (pushed, _) = one.push_request(&request(&name, packing)).await.unwrap();
        let (digest, types) = media_types(&name);
        assert_eq!(digest, pushed[0].digest, "{packing:?}");
        all_like(&types, packing);
    }
    // Nobody asks: as it was pushed last.
    let (again, _) = one.push(&name).await.unwrap();
    assert_eq!(again[0].digest, media_types(&name).0);
    // Pulled by others and by us it is the same image, and pushed from there the same manifest.
    let file = two.dir.path().join("copy.tar");
    let from = format!("docker://{name}");
    let to = format!("oci-archive:{}:app:1", file.display());
    skopeo(&["copy", "-q", "--src-tls-verify=false", &from, &to]);
    assert_eq!(two.pull(&name).await.unwrap().0.id, id);
    let copy = registry.name("other/app:1");
    two.images.tag(&id, &copy.parse().unwrap()).unwrap();
    assert_eq!(two.push(&copy).await.unwrap().0[0].digest, again[0].digest);
    // Loaded from an archive its blob is nowhere to be had: the layer is compressed anew, and says so.
    let three = Stand::new();
    let archive = std::fs::read(&file).unwrap();
    three.images.load(&mut &*archive, &mut |_| ()).unwrap();
    let last = registry.name("third/app:1");
    three.images.tag(&id, &last.parse().unwrap()).unwrap();
    three.push(&last).await.unwrap();
    all_like(&media_types(&last).1, Packing::DEFAULT);
    assert_eq!(Stand::new().pull(&last).await.unwrap().0.id, id);
}

#[test]
fn an_archive_is_compressed_as_it_is_asked_to() {
    let stand = Stand::new();
    let id = stand.import(
        "app:1",
        &[("a", noise(5, 300_000)), ("b", vec![0; 300_000])],
    );
    let images = stand.images.to_save(&["app:1".to_owned()], None).unwrap();
    let mut sizes = Vec::new();
    for packing in [Packing::None, Packing::DEFAULT, Packing::Zstd(3)] {
        let save = || {
            let mut bytes = Vec::new();
            stand
                .images
                .save_packed(&images, packing, &mut bytes)
                .unwrap();
            bytes
        };
        let bytes = save();
        assert!(bytes == save(), "the same image, the same archive");
        sizes.push(bytes.len());
        let elsewhere = Stand::new();
        elsewhere.images.load(&mut &*bytes, &mut |_| ()).unwrap();
        assert_eq!(elsewhere.images.find("app:1").unwrap().id, id);
        let file = elsewhere.dir.path().join("saved.tar");
        std::fs::write(&file, &bytes).unwrap();
        for kind in ["docker-archive", "oci-archive"] {
            let from = format!("{kind}:{}", file.display());
            let copy = elsewhere.dir.path().join(kind);
            skopeo(&["copy", "-q", &from, &format!("dir:{}", copy.display())]);
            let manifest = std::fs::read(copy.join("manifest.json")).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            assert_eq!(manifest["config"]["digest"], id.to_string(), "{kind}");
            if kind == "oci-archive" {
                let media = manifest["layers"][0]["mediaType"].as_str();
                assert_eq!(media, Some(packing.media_type()));
            }
        }
    }
    assert!(sizes[0] > sizes[1] && sizes[0] > sizes[2], "{sizes:?}");
}
