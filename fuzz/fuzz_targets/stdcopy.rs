//! A stream of any bytes where docker's frames are expected. The first byte says in which pieces they
//! come.
#![no_main]

use gantry_stdio::frame::Decoder;
use libfuzzer_sys::fuzz_target;

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

fuzz_target!(|bytes: &[u8]| {
    let Some((step, wire)) = bytes.split_first() else {
        return;
    };
    let whole = decode(wire, wire.len().max(1));
    let pieces = decode(wire, usize::from(*step).max(1));
    assert_eq!(whole, pieces, "the pieces make no difference");
    assert!(whole.is_none_or(|payload| payload.len() <= wire.len()));
});
