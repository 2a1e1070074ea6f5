//! Lists of manifests whose blobs a registry does not mount.

use std::sync::{Arc, Mutex};

use gantry_ids::Digest;
use gantry_registry::transfer::{ListPart, PushRequest, PushedList};
use gantry_registry::{Credentials, TransferError};
use serde_json::json;

use crate::fake::{Answer, Asked, Fake};
use crate::stand::{Stand, noise};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What a registry says to a mount.
#[derive(Clone, Copy)]
enum Mounts {
    /// An upload in its place.
    Upload,
    /// No.
    Refused,
}

/// A registry that has `blob` in `from/app` and does not mount it; what it is given goes to `got`.
fn answer(asked: &Asked, mounts: Mounts, blob: &[u8], got: &Mutex<Vec<u8>>) -> Answer {
    let begun = || Answer::status(202).with("Location", "/v2/to/app/blobs/uploads/1");
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/v2/") => Answer::ok(""),
        ("GET", path) if path.starts_with("/v2/from/app/blobs/") => Answer::ok(blob),
        ("POST", path) if path.contains("mount=") => match mounts {
            Mounts::Upload => begun(),
            Mounts::Refused => Answer::status(403),
        },
        ("POST", _) => begun(),
        ("PATCH", _) => {
            got.lock()
                .expect("nobody panicked")
                .extend_from_slice(&asked.body);
            let end = got.lock().expect("nobody panicked").len() - 1;
            begun().with("Range", format!("0-{end}"))
        }
        ("PUT", path) if path.contains("/uploads/") => {
            got.lock()
                .expect("nobody panicked")
                .extend_from_slice(&asked.body);
            Answer::status(201)
        }
        ("PUT", _) => Answer::status(201),
        _ => Answer::status(404),
    }
}

async fn push(fake: &Fake, blob: &[u8]) -> Result<(), TransferError> {
    let layer = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": Digest::of(blob), "size": blob.len()});
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer]});
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    let request = PushRequest {
        reference: fake.name("to/app:1").parse().expect("a reference"),
        platform: None,
        packing: None,
        credentials: Credentials::Anonymous,
    };
    let part = ListPart {
        from: fake.name("from/app:1").parse().expect("a reference"),
        media_type: MANIFEST.to_owned(),
        bytes: manifest.to_string().into(),
    };
    let list = PushedList {
        parts: vec![part],
        media_type: INDEX.to_owned(),
        bytes: list.to_string().into(),
    };
    let stand = Stand::new();
    stand.transfers.push_list(&request, list).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_that_are_not_mounted_are_copied() {
    // More than one chunk.
    let blob = noise(9, 5 << 20);
    for mounts in [Mounts::Upload, Mounts::Refused] {
        let got = Arc::new(Mutex::new(Vec::new()));
        let (copy, into) = (blob.clone(), Arc::clone(&got));
        let fake = Fake::start(move |asked| answer(asked, mounts, &copy, &into)).await;
        push(&fake, &blob).await.unwrap();
        assert!(*got.lock().unwrap() == blob);
        assert_eq!(fake.count("PUT", "/manifests/"), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_verified_before_it_is_ended() {
    let blob = noise(9, 1 << 20);
    let lie = noise(8, 1 << 20);
    let got = Arc::new(Mutex::new(Vec::new()));
    let fake = Fake::start(move |asked| answer(asked, Mounts::Upload, &lie, &got)).await;
    push(&fake, &blob).await.unwrap_err();
    assert_eq!(fake.count("PUT", "/"), 0);
}
