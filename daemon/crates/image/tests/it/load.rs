//! Loading archives: sound ones become images, others nothing.

use std::collections::BTreeMap;

use gantry_ids::Digest;
use gantry_image::LoadEvent;
use gantry_layer::LayerStore;
use serde_json::json;

use crate::archives::{
    LayersNow, Layout, TestStore, archive, config, docker, gzip, layer, tar_of, with,
};

#[test]
fn a_docker_archive() {
    let store = TestStore::new();
    let layers = [layer("one"), layer("two")];
    let archive = docker(&[(config(&layers), &layers, &["app:1", "me/app:2"])]);
    assert_eq!(
        store.load(&archive),
        ["Loaded image: app:1", "Loaded image: me/app:2"]
    );
    let image = store.images.find("app:1").unwrap();
    assert_eq!(image.id, store.images.find("me/app:2").unwrap().id);
    assert_eq!(image.size_bytes, 6);
    assert_eq!(
        image.config.run().cmd.as_deref(),
        Some(&["sh".to_owned()][..])
    );
    assert_eq!(image.created_ns(), 1_704_164_645_000_000_006);
    assert_eq!(image.layer_dirs.len(), 2);
    assert!(image.last_tagged_ns.is_some());
    // The identity is the digest of the very bytes that came.
    let raw = serde_json::to_vec(&config(&layers)).unwrap();
    assert_eq!(*image.id.digest(), Digest::of(&raw));
    let store = store.reopen();
    let again = store.images.find("app:1").unwrap();
    assert_eq!((again.id, &again.tags), (image.id, &image.tags));
    assert_eq!(again.config.raw(), &*raw);
}

#[test]
fn an_archive_without_names_gives_an_identifier() {
    let store = TestStore::new();
    let layers = [layer("one")];
    let loaded = store.load(&gzip(&docker(&[(config(&layers), &layers, &[])])));
    let image = store.images.list()[0].clone();
    assert_eq!(loaded, [format!("Loaded image ID: {}", image.id)]);
    assert!(image.is_dangling());
    let prefix = &image.id.digest().hex()[..6];
    assert_eq!(store.images.find(prefix).unwrap().id, image.id);
    assert_eq!(
        store.images.find(&image.id.to_string()).unwrap().id,
        image.id
    );
}

#[test]
fn loading_again_changes_nothing_and_a_new_image_takes_the_name() {
    let store = TestStore::new();
    let (old, new) = ([layer("base"), layer("old")], [layer("base"), layer("new")]);
    let first = docker(&[(config(&old), &old, &["app:1"])]);
    store.load(&first);
    store.load(&first);
    assert_eq!(
        (store.images.list().len(), store.images.layers_now()),
        (1, 2)
    );
    let mut events = Vec::new();
    let second = docker(&[(config(&new), &new, &["app:1"])]);
    store
        .images
        .load(&mut &*second, &mut |event| events.push(event))
        .unwrap();
    assert_eq!(
        (store.images.list().len(), store.images.layers_now()),
        (2, 3)
    );
    let renamed = events
        .iter()
        .any(|event| matches!(event, LoadEvent::Renamed { .. }));
    let read = events.iter().any(|event| {
        matches!(event, LoadEvent::Layer { current_bytes, total_bytes, id }
            if current_bytes == total_bytes && id.len() == 12)
    });
    assert!(renamed && read, "{events:?}");
    let dangling = store
        .images
        .list()
        .iter()
        .filter(|image| image.is_dangling())
        .count();
    assert_eq!(dangling, 1);
}

#[test]
fn images_that_share_layers_on_different_bases() {
    let store = TestStore::new();
    let (one, two) = ([layer("a"), layer("top")], [layer("b"), layer("top")]);
    let archive = docker(&[
        (config(&one), &one, &["one:1"]),
        (config(&two), &two, &["two:1"]),
    ]);
    store.load(&archive);
    assert_eq!(store.images.layers_now(), 4);
    for layer in store.images.layers().list() {
        let mut tar = Vec::new();
        store
            .images
            .layers()
            .write_tar(&layer.chain, &mut tar)
            .unwrap();
        assert_eq!(Digest::of(&tar), *layer.diff_id.digest());
    }
}

#[test]
fn links_of_old_dockers_are_followed() {
    let store = TestStore::new();
    let (layer, config) = (layer("one"), config(&[layer("one")]));
    let mut tar = tar::Builder::new(Vec::new());
    let mut put = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, bytes).unwrap();
    };
    put("aa/layer.tar", &layer);
    put("config.json", &serde_json::to_vec(&config).unwrap());
    put("repositories", b"{}");
    let manifest = json!([{
        "Config": "config.json", "RepoTags": ["old:1"], "Layers": ["bb/layer.tar"]
    }]);
    put("manifest.json", &serde_json::to_vec(&manifest).unwrap());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "bb/layer.tar", "../aa/layer.tar")
        .unwrap();
    assert_eq!(
        store.load(&tar.into_inner().unwrap()),
        ["Loaded image: old:1"]
    );
}

#[test]
fn an_oci_layout_gives_all_platforms_and_means_this_machines() {
    let store = TestStore::new();
    let ours = [layer("ours")];
    let mut layout = Layout::default();
    let theirs = [layer("x")];
    let other = layout.image(
        &with(config(&theirs), "architecture", json!("s390x")),
        &theirs,
    );
    let mine = layout.image(&config(&ours), &ours);
    let attestation = layout.image(&with(config(&[]), "os", json!("unknown")), &[]);
    let here = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let platform = |os: &str, architecture: &str| json!({"os": os, "architecture": architecture});
    let index = json!({"manifests": [
        with(other, "platform", platform("linux", "s390x")),
        with(attestation, "platform", platform("unknown", "unknown")),
        with(mine.clone(), "platform", platform("linux", here)),
    ]});
    let index = layout.blob(&serde_json::to_vec(&index).unwrap());
    let name = json!({"io.containerd.image.name": "docker.io/library/multi:1"});
    layout.manifests.push(with(index, "annotations", name));
    assert_eq!(store.load(&layout.finish()), ["Loaded image: multi:1"]);
    let image = store.images.find("multi:1").unwrap();
    assert_eq!(
        image.config.raw(),
        serde_json::to_vec(&config(&ours)).unwrap()
    );
    let (manifest, _) = image.manifest.unwrap();
    assert_eq!(json!(manifest.to_string()), mine["digest"]);
    // The other one is asked for by its platform.
    let theirs = "linux/s390x".parse().unwrap();
    let image = store.images.find_for("multi:1", Some(&theirs)).unwrap();
    assert!(image.is_variant);
    assert_eq!(store.images.layers_now(), 2);
    let store = store.reopen();
    assert!(store.images.find_for("multi:1", Some(&theirs)).is_ok());
}

#[test]
fn blobs_that_are_known_are_not_unpacked_again() {
    let store = TestStore::new();
    let layers = [layer("one"), layer("two")];
    let archive = || {
        let mut layout = Layout::default();
        let image = layout.image(&config(&layers), &layers);
        let name = json!({"org.opencontainers.image.ref.name": "again:1"});
        layout.manifests.push(with(image, "annotations", name));
        layout.finish()
    };
    store.load(&archive());
    let store = store.reopen();
    let mut layers_read = 0;
    store
        .images
        .load(&mut &*archive(), &mut |event| {
            layers_read += u32::from(matches!(event, LoadEvent::Layer { .. }));
        })
        .unwrap();
    assert_eq!((layers_read, store.images.layers_now()), (0, 2));
}

#[test]
fn a_bare_tag_names_nothing() {
    let store = TestStore::new();
    let layers = [layer("one")];
    let mut layout = Layout::default();
    let image = layout.image(&config(&layers), &layers);
    let name = json!({"org.opencontainers.image.ref.name": "latest"});
    layout.manifests.push(with(image, "annotations", name));
    assert!(store.load(&layout.finish())[0].starts_with("Loaded image ID: sha256:"));
}

#[test]
fn lying_digests_are_refused() {
    let store = TestStore::new();
    let layers = [layer("one")];
    // A layer that is not what the configuration says.
    let message = store.refuse(&docker(&[(config(&layers), &[layer("two")], &["x:1"])]));
    assert!(
        message.contains("invalid diffID for layer 0: expected sha256:"),
        "{message}"
    );
    // A blob that is not what its name says: layer, configuration, manifest.
    for index in 0..3 {
        let mut layout = Layout::default();
        let image = layout.image(&config(&layers), &layers);
        layout.manifests.push(image);
        let path = layout.files.keys().nth(index).unwrap().clone();
        let bytes = layout.files.get_mut(&path).unwrap();
        let content = if bytes[0] == 0x1f {
            gzip(&layer("evil"))
        } else {
            b"{}".to_vec()
        };
        *bytes = content;
        let message = store.refuse(&layout.finish());
        assert!(
            message.contains("it is not what its name says"),
            "{message}"
        );
    }
}

#[test]
fn a_known_blob_is_compared_all_the_same() {
    let store = TestStore::new();
    let layers = [layer("one")];
    store.load(&docker(&[(config(&layers), &layers, &["x:1"])]));
    let mut layout = Layout::default();
    let lying = Digest::of(&layers[0]).hex();
    let image = layout.image(&config(&layers), &layers);
    layout.manifests.push(image);
    layout
        .files
        .insert(format!("blobs/sha256/{lying}"), layer("evil"));
    assert!(
        store
            .refuse(&layout.finish())
            .contains("it is not what its name says")
    );
}

#[test]
fn archives_that_are_not_sound() {
    let store = TestStore::new();
    let layers = [layer("one")];
    let good = docker(&[(config(&layers), &layers, &["x:1"])]);
    let tar = |files: &[(&str, &[u8])]| tar_of(files);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "neither manifest.json"),
        (b"no tar at all".to_vec(), "truncated"),
        (vec![b'x'; 2048], "invalid tar header"),
        (good[..good.len() / 2].to_vec(), "truncated"),
        (gzip(&good)[..100].to_vec(), "read the archive"),
        (tar(&[("manifest.json", b"{")]), "parse manifest.json"),
        (
            tar(&[("manifest.json", b"[{\"Config\":\"a\"}]")]),
            "\"a\" is missing",
        ),
        (
            tar(&[("index.json", b"{}")]),
            "no image in the archive is for linux/",
        ),
        (
            docker(&[(config(&layers), &[], &["x:1"])]),
            "layers length mismatch",
        ),
        (docker(&[(config(&layers), &layers, &["x"])]), "invalid tag"),
        (
            docker(&[(config(&layers), &layers, &["X:1"])]),
            "must be lowercase",
        ),
        (
            docker(&[(
                with(config(&layers), "os", json!("windows")),
                &layers,
                &["x:1"],
            )]),
            "cannot load windows image on linux",
        ),
        (
            docker(&[(
                with(config(&layers), "config", json!({"Env": 7})),
                &layers,
                &["x:1"],
            )]),
            "invalid image configuration",
        ),
        (
            docker(&[(config(&[vec![7; 600]]), &[vec![7; 600]], &["x:1"])]),
            "invalid tar header",
        ),
        (
            docker(&[(json!([]), &[], &["x:1"])]),
            "invalid image configuration",
        ),
    ];
    for (archive, cause) in cases {
        let message = store.refuse(&archive);
        assert!(message.contains(cause), "{message:?} has no {cause:?}");
    }
    assert_eq!(store.load(&good), ["Loaded image: x:1"]);
}

#[test]
fn a_bad_image_beside_a_good_one_keeps_neither() {
    let store = TestStore::new();
    let layers = [layer("good")];
    let bad = [layer("bad")];
    let archive = docker(&[
        (config(&layers), &layers, &["good:1"]),
        (config(&bad), &[layer("other")], &["bad:1"]),
    ]);
    assert!(store.refuse(&archive).contains("invalid diffID"));
    let store = store.reopen();
    assert_eq!(
        (store.images.list().len(), store.images.layers_now()),
        (0, 0)
    );
}

#[test]
fn indexes_that_turn_around_themselves_end() {
    let store = TestStore::new();
    let mut layout = Layout::default();
    let mut descriptor = layout.image(&config(&[]), &[]);
    for _ in 0..8 {
        let index = json!({"manifests": [descriptor]});
        descriptor = layout.blob(&serde_json::to_vec(&index).unwrap());
    }
    layout.manifests.push(descriptor);
    assert!(store.refuse(&layout.finish()).contains("too deep"));
}

#[test]
fn too_many_layers() {
    let store = TestStore::new();
    let layers: Vec<_> = (0..126)
        .map(|number| layer(&format!("f{number}")))
        .collect();
    let message = store.refuse(&docker(&[(config(&layers), &layers, &["x:1"])]));
    assert!(message.contains("max depth exceeded"), "{message}");
}

#[test]
fn an_image_without_layers() {
    let store = TestStore::new();
    assert_eq!(
        store.load(&docker(&[(config(&[]), &[], &["none:1"])])),
        ["Loaded image: none:1"]
    );
    assert_eq!(store.images.find("none:1").unwrap().size_bytes, 0);
}

#[test]
fn extra_files_are_ignored() {
    let store = TestStore::new();
    let layers = [layer("one")];
    let raw = serde_json::to_vec(&config(&layers)).unwrap();
    let manifest = json!([{"Config": "c", "RepoTags": null, "Layers": ["l"]}]);
    let files = BTreeMap::from([
        ("c".to_owned(), raw),
        ("l".to_owned(), layers[0].clone()),
        ("big".to_owned(), vec![b' '; 5 << 20]),
        (
            "manifest.json".to_owned(),
            serde_json::to_vec(&manifest).unwrap(),
        ),
    ]);
    assert_eq!(store.load(&archive(&files)).len(), 1);
}
