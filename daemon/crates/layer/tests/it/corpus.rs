//! Replays the fuzz corpus of layers: what `fuzz/fuzz_targets/layer_tar.rs` asserts.

use std::path::Path;

use gantry_layer::{LayerStore, Limits};

use crate::stores::{FORMS, store};

#[test]
fn every_layer_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/layer_tar");
    let mut replayed = 0;
    let files = std::fs::read_dir(corpus).unwrap();
    let paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    for (path, form) in paths.iter().flat_map(|path| FORMS.map(|form| (path, form))) {
        let bytes = std::fs::read(path).unwrap();
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("image");
        let store = store(&image, form, Limits::DEFAULT);
        let name = path.file_name().unwrap().to_str().unwrap();
        let taken = store.stage(&mut &*bytes);
        let is_bad = ["bad-", "escape-", "loop", "truncated"]
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
    assert!(replayed >= 32, "the corpus is missing");
}
