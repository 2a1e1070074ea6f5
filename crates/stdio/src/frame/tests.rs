use proptest::prelude::*;

use super::*;

fn encode(frames: &[(Stream, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (stream, payload) in frames {
        out.extend_from_slice(&header(*stream, u32::try_from(payload.len()).unwrap()));
        out.extend_from_slice(payload);
    }
    out
}

/// Feeds `wire` in chunks of `step` bytes and joins neighbouring pieces of one stream.
fn decode(wire: &[u8], step: usize) -> Result<Vec<(Stream, Vec<u8>)>, FrameError> {
    let mut decoder = Decoder::with_limit(1024);
    let mut out: Vec<(Stream, Vec<u8>)> = Vec::new();
    for mut chunk in wire.chunks(step.max(1)) {
        while let Some(piece) = decoder.next(&mut chunk)? {
            match out.last_mut() {
                Some((stream, bytes)) if *stream == piece.stream => bytes.extend(piece.bytes),
                _ => out.push((piece.stream, piece.bytes.to_vec())),
            }
        }
        assert!(chunk.is_empty());
    }
    Ok(out)
}

#[test]
fn the_header_is_dockers() {
    assert_eq!(
        header(Stream::Stderr, 0x0102_0304),
        [2, 0, 0, 0, 1, 2, 3, 4]
    );
}

#[test]
fn an_unknown_stream_and_a_huge_frame_are_refused() {
    assert_eq!(
        decode(&[7, 0, 0, 0, 0, 0, 0, 1, 9], 3),
        Err(FrameError::UnknownStream(7))
    );
    let huge = header(Stream::Stdout, u32::MAX);
    assert_eq!(
        decode(&huge, 8),
        Err(FrameError::TooLong {
            len: u32::MAX,
            limit: 1024
        })
    );
}

#[test]
fn an_end_inside_a_frame_can_be_told() {
    let mut decoder = Decoder::default();
    let mut input: &[u8] = &[1, 0, 0, 0, 0, 0, 0, 2, b'a'];
    assert!(decoder.next(&mut input).unwrap().is_some());
    assert!(!decoder.is_between_frames());
    let mut rest: &[u8] = b"b";
    assert!(decoder.next(&mut rest).unwrap().is_some());
    assert!(decoder.is_between_frames());
}

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![
        Just(Stream::Stdout),
        Just(Stream::Stderr),
        Just(Stream::SystemErr)
    ]
}

proptest! {
    #[test]
    fn whatever_the_chunks_the_payloads_come_back(
        frames in prop::collection::vec((stream(), prop::collection::vec(any::<u8>(), 0..50)), 0..20),
        step in 1_usize..40,
    ) {
        let mut expected: Vec<(Stream, Vec<u8>)> = Vec::new();
        for (stream, payload) in frames.iter().filter(|(_, p)| !p.is_empty()) {
            match expected.last_mut() {
                Some((last, bytes)) if last == stream => bytes.extend(payload),
                _ => expected.push((*stream, payload.clone())),
            }
        }
        prop_assert_eq!(decode(&encode(&frames), step).unwrap(), expected);
    }

    #[test]
    fn no_input_panics(wire in prop::collection::vec(any::<u8>(), 0..200), step in 1_usize..40) {
        let _ = decode(&wire, step);
    }
}
