//! Replays the fuzz corpus of references: what `fuzz/fuzz_targets/reference.rs` asserts.

use std::path::Path;

use gantry_ids::{ImageQuery, ImageRef};

#[test]
fn every_reference_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/reference");
    let mut taken = 0;
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        replayed += 1;
        let _ = text.parse::<ImageQuery>();
        let Ok(reference) = text.parse::<ImageRef>() else {
            continue;
        };
        assert_eq!(reference.to_string().parse(), Ok(reference.clone()));
        assert_eq!(reference.familiar().parse(), Ok(reference));
        taken += 1;
    }
    assert!(
        replayed >= 10 && taken >= 5,
        "the corpus is missing: {taken} of {replayed} taken"
    );
}
