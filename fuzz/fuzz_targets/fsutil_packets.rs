//! Packets of a client that sends files: refused, or written beneath the directory they are for.
#![no_main]

use std::fs;

use gantry_buildkit::fsutil::{Packet, Receiver};
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    let place = tempfile::tempdir().expect("a temporary directory");
    let root = place.path().join("root");
    fs::create_dir(&root).expect("a directory");
    let descriptor = fs::File::open(&root).expect("it is there").into();
    let mut receiver = Receiver::new(descriptor).expect("an empty directory");
    let mut rest = bytes;
    while let Ok(packet) = Packet::decode_length_delimited(&mut rest) {
        if receiver.take(packet, &mut |_| ()).is_err() {
            break;
        }
    }
    let made = fs::read_dir(place.path()).expect("the directory").count();
    assert_eq!(made, 1, "something was made outside the root");
});
