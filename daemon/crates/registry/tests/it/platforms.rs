//! Images of several platforms under one name.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use gantry_ids::{Digest, ImageRef, Platform};
use gantry_image::{Packing, RemoveOptions};
use gantry_registry::transfer::Event;
use serde_json::{Value, json};

use crate::peer::PeerRegistry;
use crate::stand::{Stand, gzip, noise, tar};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An OCI layout with an index of two platforms and an attestation of the first, as buildx writes
/// it.
struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    index: Digest,
}

impl Layout {
    /// The layout as a tar, and the digest of its index.
    fn archive(name: &str) -> (Vec<u8>, Digest) {
        let mut layout = Self {
            blobs: BTreeMap::new(),
            index: Digest::of(b""),
        };
        let ours = Platform::of_this_machine().architecture;
        let other = if ours == "s390x" { "riscv64" } else { "s390x" };
        let mut manifests = Vec::new();
        for (seed, architecture) in [(1, ours.as_str()), (2, other)] {
            let mut entry = layout.image(seed, architecture);
            entry["platform"] = json!({"architecture": architecture, "os": "linux"});
            manifests.push(entry);
        }
        let of = manifests[0]["digest"].clone();
        let mut extra = layout.attestation();
        extra["platform"] = json!({"architecture": "unknown", "os": "unknown"});
        extra["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": of});
        manifests.push(extra);
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        let index = index.to_string();
        layout.index = Digest::of(index.as_bytes());
        let mut index = layout.put(index.as_bytes(), INDEX);
        index["annotations"] = json!({"io.containerd.image.name": name});
        let top = json!({"schemaVersion": 2, "manifests": [index]}).to_string();
        let mut files = layout.blobs;
        files.insert("index.json".to_owned(), top.into_bytes());
        let version = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
        files.insert("oci-layout".to_owned(), version);
        let files: Vec<_> = files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.clone()))
            .collect();
        (tar(&files), layout.index)
    }

    fn put(&mut self, bytes: &[u8], media_type: &str) -> Value {
        let digest = Digest::of(bytes);
        let path = format!("blobs/sha256/{}", digest.hex());
        self.blobs.insert(path, bytes.to_vec());
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn image(&mut self, seed: u64, architecture: &str) -> Value {
        let layer = tar(&[("what", noise(seed, 70_000))]);
        let config = json!({"architecture": architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]}});
        let config = self.put(config.to_string().as_bytes(), CONFIG);
        let layer = self.put(&gzip(&layer), LAYER);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
            "layers": [layer]});
        self.put(manifest.to_string().as_bytes(), MANIFEST)
    }

    fn attestation(&mut self) -> Value {
        let statement = self.put(br#"{"_type":"statement"}"#, "application/vnd.in-toto+json");
        let config = self.put(br#"{"architecture":"unknown"}"#, CONFIG);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
            "layers": [statement]});
        self.put(manifest.to_string().as_bytes(), MANIFEST)
    }
}

/// What stock skopeo prints.
pub(crate) fn skopeo(words: &[&str]) -> Vec<u8> {
    let peers = std::env::var_os("GANTRY_PEERS")
        .expect("GANTRY_PEERS names the stock engines: run the tests by `cargo xtask test`");
    let program = Path::new(&peers).join("bin/skopeo");
    let output = Command::new(program)
        .arg("--insecure-policy")
        .args(words)
        .output()
        .expect("skopeo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {error}");
    output.stdout
}

fn other_platform() -> Platform {
    let ours = Platform::of_this_machine();
    let architecture = if ours.architecture == "s390x" {
        "riscv64"
    } else {
        "s390x"
    };
    Platform {
        architecture: architecture.to_owned(),
        variant: String::new(),
        ..ours
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_pulled_by_parts_and_pushed_as_it_came() {
    let (here, there) = (PeerRegistry::start(), PeerRegistry::start());
    let name = here.name("multi/app:1");
    let (archive, index) = Layout::archive(&name);
    let two = Stand::new();
    let file = two.dir.path().join("layout.tar");
    std::fs::write(&file, archive).unwrap();
    let from = format!("oci-archive:{}", file.display());
    let to = format!("docker://{name}");
    let all = [
        "copy",
        "--all",
        "--preserve-digests",
        "--dest-tls-verify=false",
    ];
    skopeo(&[&all[..], &[&from, &to]].concat());
    // One platform of it, then the other: both under one name, this machine's meant.
    let (first, _) = two.pull(&name).await.unwrap();
    assert_eq!(first.digest, index);
    let (second, _) = two.pull_for(&name, other_platform()).await.unwrap();
    assert!(second.is_new && second.id != first.id);
    let (again, _) = two.pull_for(&name, other_platform()).await.unwrap();
    assert!(!again.is_new);
    let reference: ImageRef = name.parse().unwrap();
    let variants = two.images.variants(&reference).unwrap();
    assert_eq!(variants.images.len(), 2);
    assert_eq!(two.images.find(&name).unwrap().id, first.id);
    let other = two.images.find_for(&name, Some(&other_platform())).unwrap();
    assert_eq!((other.id, other.is_variant), (second.id, true));
    // Saved and loaded, what attests to an image goes with it.
    let saved = two
        .images
        .to_save(std::slice::from_ref(&name), None)
        .unwrap();
    let mut bytes = Vec::new();
    two.images.save(&saved, &mut bytes).unwrap();
    let three = Stand::new();
    three.images.load(&mut &*bytes, &mut |_| ()).unwrap();
    attested(&bytes);
    let mut second = Vec::new();
    let saved = three
        .images
        .to_save(std::slice::from_ref(&name), None)
        .unwrap();
    three.images.save(&saved, &mut second).unwrap();
    assert!(attestations_of(&bytes) == attestations_of(&second));
    // A copy elsewhere is the same index, attestation included.
    let copy = there.name("copy/app:2");
    two.images.tag_like(&name, &copy.parse().unwrap()).unwrap();
    let (pushed, _) = two.push(&copy).await.unwrap();
    assert_eq!(pushed[0].digest, index);
    let raw = skopeo(&[
        "inspect",
        "--raw",
        "--tls-verify=false",
        &format!("docker://{copy}"),
    ]);
    assert_eq!(Digest::of(&raw), index);
    // A part alone is no index.
    let (pushed, _) = two.push_for(&copy, other_platform()).await.unwrap();
    assert_eq!(pushed[0].digest, variants.images[1].manifest);
    // Compressed anew the images have other digests: what attests to the old ones stays behind, and that is told.
    let anew = crate::packed::request(&copy, Packing::Zstd(3));
    let (pushed, events) = two.push_request(&anew).await.unwrap();
    assert_ne!(pushed[0].digest, index);
    assert!(events.contains(&Event::NotAttested(1)), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_platform_of_several_is_pushed_as_an_image() {
    let registry = PeerRegistry::start();
    let name = registry.name("multi/app:1");
    let (archive, _) = Layout::archive(&name);
    let (one, two) = (Stand::new(), Stand::new());
    one.images.load(&mut &*archive, &mut |_| ()).unwrap();
    one.push(&name).await.unwrap();
    two.pull_for(&name, other_platform()).await.unwrap();
    let variants = two.images.variants(&name.parse().unwrap()).unwrap();
    let (pushed, _) = two.push(&name).await.unwrap();
    assert_eq!(pushed[0].digest, variants.images[0].manifest);
}

#[test]
fn a_name_takes_all_its_platforms_along_and_nothing_stays() {
    let stand = Stand::new();
    let (archive, index) = Layout::archive("docker.io/library/multi:1");
    stand.images.load(&mut &*archive, &mut |_| ()).unwrap();
    let other = stand
        .images
        .find_for("multi:1", Some(&other_platform()))
        .unwrap();
    // Saved and loaded, it is both platforms again.
    let saved = stand.images.to_save(&["multi:1".to_owned()], None).unwrap();
    let mut bytes = Vec::new();
    stand.images.save(&saved, &mut bytes).unwrap();
    let elsewhere = Stand::new();
    elsewhere.images.load(&mut &*bytes, &mut |_| ()).unwrap();
    let found = elsewhere
        .images
        .find_for("multi:1", Some(&other_platform()));
    assert_eq!(found.unwrap().id, other.id);
    // One of them goes by its identifier; the name stays with the other.
    let nobody = |_: &_| Vec::new();
    let remove = |stand: &Stand, text: &str| {
        stand
            .images
            .remove(text, RemoveOptions::default(), &nobody)
            .unwrap();
    };
    remove(&elsewhere, &other.id.to_string());
    assert!(
        elsewhere
            .images
            .find_for("multi:1", Some(&other_platform()))
            .is_err()
    );
    assert_eq!(elsewhere.images.list().len(), 1);
    remove(&stand, "multi:1");
    stand.assert_nothing_kept();
    assert!(stand.images.manifest(&index).unwrap().is_none());
}

/// Proves that an archive has an index in which something attests to one of its images.
fn attested(archive: &[u8]) {
    let mut indexes = files_of(archive).into_iter().filter_map(|bytes| {
        let document: Value = serde_json::from_slice(&bytes).ok()?;
        let manifests = document["manifests"].as_array()?.clone();
        (manifests.len() == 3).then_some(manifests)
    });
    let manifests = indexes
        .next()
        .expect("an index of two images and an attestation");
    let of = &manifests[2]["annotations"]["vnd.docker.reference.digest"];
    assert!(
        manifests[..2].iter().any(|one| one["digest"] == *of),
        "{manifests:?}"
    );
}

fn files_of(archive: &[u8]) -> Vec<Vec<u8>> {
    let mut tar = ::tar::Archive::new(archive);
    let entries = tar.entries().expect("a tar");
    let read = |entry: Result<::tar::Entry<'_, &[u8]>, std::io::Error>| {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry.expect("an entry"), &mut bytes).expect("its bytes");
        bytes
    };
    entries.map(read).collect()
}

/// The blobs of an archive that are attestations.
fn attestations_of(archive: &[u8]) -> Vec<Vec<u8>> {
    let words: [&[u8]; 2] = [br#"{"_type":"statement"}"#, b"application/vnd.in-toto+json"];
    let mut found = files_of(archive);
    found.retain(|bytes| {
        let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        words.into_iter().any(has)
    });
    assert_eq!(found.len(), 2);
    found
}
