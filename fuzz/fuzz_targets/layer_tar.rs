//! A layer of any bytes: refused, or stored so that the same bytes come back.
#![no_main]

use gantry_layer::{Form, LayerOptions, LayerStore, Layers, Limits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    entries: 1 << 10,
    depth: 32,
    tar_bytes: 1 << 20,
    content_bytes: 1 << 20,
    ..Limits::DEFAULT
};

fuzz_target!(|bytes: &[u8]| {
    for form in [Form::Directory, Form::Erofs] {
        stored(bytes, form);
    }
});

fn stored(bytes: &[u8], form: Form) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let options = LayerOptions { limits: LIMITS, form, mounts: root.path().join("image/mounts") };
    let store = Layers::open(&root.path().join("image"), options).expect("a store");
    if let Ok(staged) = store.stage(&mut &*bytes) {
        let layers = store.commit(vec![staged], None).expect("a sound layer is committed");
        let mut tar = Vec::new();
        store.write_tar(&layers[0].chain, &mut tar).expect("the layer comes back");
    }
    let made = std::fs::read_dir(root.path()).expect("the directory").count();
    assert_eq!(made, 1, "something was made outside the store");
}
