//! Importing the tar of a root filesystem.

use gantry_image::ImportRequest;
use gantry_layer::LayerStore;

use crate::archives::{LayersNow, TestStore, gzip, layer};

#[test]
fn a_tar_becomes_an_image() {
    let store = TestStore::new();
    let tar = layer("bin");
    let request = ImportRequest {
        reference: Some("bb".parse().unwrap()),
        changes: vec!["CMD [\"/bin\"]".to_owned(), "ENV A=1".to_owned()],
        message: "made here".to_owned(),
        platform: None,
    };
    let id = store.images.import(&mut &*gzip(&tar), &request).unwrap();
    let image = store.images.find("bb:latest").unwrap();
    assert_eq!(image.id, id);
    assert_eq!(
        image.config.run().cmd.as_deref(),
        Some(&["/bin".to_owned()][..])
    );
    assert_eq!(image.config.file().comment, "made here");
    assert_eq!(image.config.file().history[0].comment, "made here");
    assert_eq!(image.config.file().os, "linux");
    let chain = image.config.chain().unwrap();
    let mut out = Vec::new();
    store.images.layers().write_tar(&chain, &mut out).unwrap();
    assert!(out == tar);
    let store = store.reopen();
    assert_eq!(store.images.find("bb").unwrap().id, id);
}

#[test]
fn a_bad_request_or_tar_leaves_nothing() {
    let store = TestStore::new();
    let good = layer("bin");
    let import = |tar: &[u8], request: ImportRequest| {
        store
            .images
            .import(&mut &*tar, &request)
            .unwrap_err()
            .to_string()
    };
    let change = |change: &str| ImportRequest {
        changes: vec![change.to_owned()],
        ..ImportRequest::default()
    };
    assert_eq!(
        import(&good, change("RUN x")),
        "RUN is not a valid change command"
    );
    let platform = ImportRequest {
        platform: Some("windows".to_owned()),
        ..ImportRequest::default()
    };
    assert!(import(&good, platform).contains("not a platform"));
    assert!(import(&good[..700], ImportRequest::default()).contains("layer"));
    assert_eq!(
        (store.images.list().len(), store.images.layers_now()),
        (0, 0)
    );
}
