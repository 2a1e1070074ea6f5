//! Replays the fuzz corpus: what `fuzz/fuzz_targets/dockerfile.rs` asserts.

use std::path::Path;

use gantry_dockerfile::{Options, Platform, Source, check};

#[test]
fn every_file_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/dockerfile");
    let options = Options::new(Platform::new("linux", "amd64", ""));
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let source = Source::new("Dockerfile", &bytes);
        let report = check(&source, &options, &|_| None);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(
            report.error.is_some(),
            name.starts_with("bad-"),
            "{name}: {report:?}"
        );
        if let Some(error) = report.error {
            let _ = error.excerpt(&source);
        }
        replayed += 1;
    }
    assert!(replayed >= 10, "the corpus is missing");
}
