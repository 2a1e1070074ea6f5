//! An archive of any bytes to load: refused and nothing kept, or images that can be saved and loaded again.
#![no_main]

use gantry_image::{ImageStore, SavedImage};
use gantry_layer::LayerStore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let root = tempfile::tempdir().expect("a temporary directory");
    let store = open(&root);
    match store.load(&mut &*bytes, &mut |_| ()) {
        Ok(_) => again(&store),
        Err(_) => {
            assert!(store.list().is_empty());
            assert!(store.layers().list().is_empty());
        }
    }
    let made = std::fs::read_dir(root.path()).expect("the directory").count();
    assert_eq!(made, 1, "something was made outside the store");
});

fn open(root: &tempfile::TempDir) -> ImageStore {
    ImageStore::open(&root.path().join("image")).expect("a store")
}

fn again(store: &ImageStore) {
    let ids: Vec<_> = store.list().iter().map(|image| image.id.to_string()).collect();
    let images: Vec<SavedImage> = store.to_save(&ids, None).expect("all can be saved");
    let mut archive = Vec::new();
    store.save(&images, &mut archive).expect("all can be saved");
    let root = tempfile::tempdir().expect("a temporary directory");
    let other = open(&root);
    other.load(&mut &*archive, &mut |_| ()).expect("what is saved can be loaded");
    assert_eq!(other.list().len(), ids.len());
}
