//! Replays the fuzz corpus of frames: what `fuzz/fuzz_targets/stdcopy.rs` asserts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;

use gantry_stdio::frame::Decoder;

/// What one decoder makes of the bytes: its pieces joined, or none for an error.
fn decode(bytes: &[u8], step: usize) -> Option<Vec<u8>> {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    for mut chunk in bytes.chunks(step) {
        while let Some(piece) = decoder.next(&mut chunk).ok()? {
            assert!(!piece.bytes.is_empty());
            out.extend_from_slice(piece.bytes);
        }
        assert!(chunk.is_empty());
    }
    Some(out)
}

#[test]
fn every_stream_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/stdcopy");
    let mut refused = Vec::new();
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        replayed += 1;
        let Some((step, wire)) = bytes.split_first() else {
            continue;
        };
        let whole = decode(wire, wire.len().max(1));
        assert_eq!(whole, decode(wire, usize::from(*step).max(1)), "{path:?}");
        assert_eq!(whole, decode(wire, 1), "{path:?}");
        if whole.is_none() {
            refused.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    refused.sort();
    assert!(replayed >= 8, "the corpus is missing");
    assert_eq!(refused, ["huge", "unknown-stream"]);
}
