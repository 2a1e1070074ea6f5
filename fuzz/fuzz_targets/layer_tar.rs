//! A layer of any bytes: refused, or stored so that the same bytes come back.
#![no_main]

use gantry_layer::{DirectoryLayers, LayerStore, Limits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    entries: 1 << 10,
    depth: 32,
    tar_bytes: 1 << 20,
    content_bytes: 1 << 20,
    ..Limits::DEFAULT
};

fuzz_target!(|bytes: &[u8]| {
    let root = tempfile::tempdir().expect("a temporary directory");
    let store = DirectoryLayers::open(&root.path().join("image"), LIMITS).expect("a store");
    if let Ok(staged) = store.stage(&mut &*bytes) {
        let layers = store.commit(vec![staged], None).expect("a sound layer is committed");
        let mut tar = Vec::new();
        store.write_tar(&layers[0].chain, &mut tar).expect("the layer comes back");
    }
    let made = std::fs::read_dir(root.path()).expect("the directory").count();
    assert_eq!(made, 1, "something was made outside the store");
});
