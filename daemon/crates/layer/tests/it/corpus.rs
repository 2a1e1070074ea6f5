//! Replays the fuzz corpus of layers: what `fuzz/fuzz_targets/layer_tar.rs` asserts.

use std::path::Path;

use gantry_layer::{DirectoryLayers, LayerStore, Limits};

#[test]
fn every_layer_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/layer_tar");
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("image");
        let store = DirectoryLayers::open(&image, Limits::DEFAULT).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let taken = store.stage(&mut &*bytes);
        let is_bad = ["escape-", "loop", "truncated"]
            .iter()
            .any(|bad| name.starts_with(bad));
        assert_eq!(taken.is_err(), is_bad, "{name}: {taken:?}");
        if let Ok(staged) = taken {
            let layers = store.commit(vec![staged], None).unwrap();
            store
                .write_tar(&layers[0].chain, &mut std::io::sink())
                .unwrap();
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "{name}");
        replayed += 1;
    }
    assert!(replayed >= 10, "the corpus is missing");
}
