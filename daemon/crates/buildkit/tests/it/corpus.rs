//! Replays the fuzz corpus: what `fuzz/fuzz_targets/fsutil_packets.rs` asserts.

use std::fs;
use std::path::Path;

use gantry_buildkit::fsutil::{Packet, Receiver};
use prost::Message;

use crate::open;

#[test]
fn every_stream_of_the_corpus_is_taken_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/fsutil_packets");
    let mut replayed = 0;
    for file in fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut receiver = Receiver::new(open(&root)).unwrap();
        let (mut rest, mut is_refused) = (bytes.as_slice(), false);
        while let Ok(packet) = Packet::decode_length_delimited(&mut rest) {
            is_refused = receiver.take(packet, &mut |_| ()).is_err();
            if is_refused {
                break;
            }
        }
        assert_eq!(is_refused, name.starts_with("bad-"), "{name}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "{name}");
        replayed += 1;
    }
    assert!(replayed >= 7, "the corpus is missing");
}
