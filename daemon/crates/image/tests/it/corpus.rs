//! Replays the fuzz corpora of configurations and archives: what `fuzz/fuzz_targets/image_config.rs` and
//! `docker_archive.rs` assert.

use std::path::Path;

use gantry_image::ImageConfig;

use crate::archives::{LayersNow, TestStore};

#[test]
fn every_archive_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/docker_archive");
    let mut taken = Vec::new();
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let store = TestStore::new();
        let loaded = store
            .images
            .load(&mut &*std::fs::read(&path).unwrap(), &mut |_| ());
        replayed += 1;
        match loaded {
            Ok(_) => {
                loads_again(&store);
                taken.push(name.clone());
            }
            Err(_) => assert!(
                store.images.list().is_empty() && store.images.layers_now() == 0,
                "{name}"
            ),
        }
        let made = std::fs::read_dir(store.root.path()).unwrap().count();
        assert_eq!(made, 1, "{name}: something was made outside the store");
    }
    taken.sort();
    assert!(replayed >= 20, "the corpus is missing");
    assert_eq!(
        taken,
        [
            "linked-layer.tar",
            "manifest-first.tar",
            "nameless.tar",
            "no-end.tar",
            "packed-layers.tar",
            "same-name-twice.tar",
            "sound.tar",
            "sound.tar.gz"
        ]
    );
}

/// What was loaded can be saved, and loaded by another store.
fn loads_again(store: &TestStore) {
    let ids: Vec<_> = store
        .images
        .list()
        .iter()
        .map(|i| i.id.to_string())
        .collect();
    let images = store.images.to_save(&ids, None).unwrap();
    let mut archive = Vec::new();
    store.images.save(&images, &mut archive).unwrap();
    let other = TestStore::new();
    other.load(&archive);
    assert_eq!(other.images.list().len(), ids.len());
}

#[test]
fn every_configuration_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/image_config");
    let mut taken = Vec::new();
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        replayed += 1;
        let Ok(config) = ImageConfig::parse(&bytes) else {
            continue;
        };
        assert_eq!(config.raw(), bytes);
        let again = ImageConfig::from_file(config.file().clone());
        assert_eq!(
            ImageConfig::parse(again.raw()).unwrap().file(),
            config.file()
        );
        taken.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    taken.sort();
    assert!(replayed >= 8, "the corpus is missing");
    assert_eq!(
        taken,
        [
            "deep",
            "empty",
            "full",
            "nulls",
            "numbers",
            "string-command"
        ]
    );
}
