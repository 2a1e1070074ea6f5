//! Replays the fuzz corpora: what `fuzz/fuzz_targets/{manifest,auth_challenge}.rs` assert.

use std::path::Path;

use gantry_registry::challenge::Challenge;
use gantry_registry::manifest::{Document, LAYERS_MAX};

fn files(target: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../fuzz/corpus")
        .join(target);
    let entries = std::fs::read_dir(corpus).expect("a corpus");
    entries
        .map(|entry| std::fs::read(entry.expect("an entry").path()).expect("its content"))
        .collect()
}

#[test]
fn every_manifest_of_the_corpus_is_answered() {
    let files = files("manifest");
    assert!(files.len() >= 5, "the corpus is missing");
    for bytes in files {
        match Document::parse(&bytes, "") {
            Ok(Document::Manifest(manifest)) => assert!(manifest.layers.len() <= LAYERS_MAX),
            Ok(Document::Index(index)) => drop(
                index
                    .choose(&gantry_ids::Platform::of_this_machine())
                    .is_ok(),
            ),
            Err(error) => assert!(error.to_string().len() < 1000),
        }
    }
}

#[test]
fn every_challenge_of_the_corpus_is_answered() {
    let files = files("auth_challenge");
    assert!(files.len() >= 3, "the corpus is missing");
    for bytes in files {
        for challenge in Challenge::parse(&String::from_utf8(bytes).unwrap()) {
            if let Challenge::Bearer { realm, .. } = challenge {
                assert!(!realm.is_empty());
            }
        }
    }
}
