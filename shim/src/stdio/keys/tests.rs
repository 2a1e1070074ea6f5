use proptest::prelude::*;

use super::*;

fn typed(keys: &[u8], reads: &[&[u8]]) -> (Vec<u8>, Typed) {
    let mut state = DetachKeys::new(keys.to_vec());
    let mut out = Vec::new();
    for read in reads {
        if state.filter(read, &mut out) == Typed::Detach {
            return (out, Typed::Detach);
        }
    }
    (out, Typed::On)
}

#[test]
fn the_keys_are_found_across_reads_and_what_follows_is_dropped() {
    for (reads, passed) in [
        (&[b"\x10\x11".as_slice()] as &[&[u8]], b"".as_slice()),
        (&[b"ls\n\x10", b"\x11x"], b"ls\n"),
        (&[b"\x10\x10\x11"], b"\x10"),
    ] {
        assert_eq!(
            typed(b"\x10\x11", reads),
            (passed.to_vec(), Typed::Detach),
            "{reads:?}"
        );
    }
}

#[test]
fn a_beginning_that_leads_nowhere_is_passed_on() {
    assert_eq!(
        typed(b"\x10\x11", &[b"a\x10", b"b"]),
        (b"a\x10b".to_vec(), Typed::On)
    );
    assert_eq!(typed(b"aab", &[b"aaab"]), (b"a".to_vec(), Typed::Detach));
    assert_eq!(
        typed(b"abac", &[b"ababad"]),
        (b"ababad".to_vec(), Typed::On)
    );
    assert_eq!(
        typed(b"", &[b"anything"]),
        (b"anything".to_vec(), Typed::On)
    );
}

proptest! {
    /// The filter finds what a search in the whole text finds.
    #[test]
    fn it_agrees_with_a_plain_search(
        keys in prop::collection::vec(0_u8..3, 1..5),
        text in prop::collection::vec(0_u8..3, 0..60),
        step in 1_usize..5,
    ) {
        let (out, end) = typed(&keys, &text.chunks(step).collect::<Vec<_>>());
        match text.windows(keys.len()).position(|window| window == keys) {
            Some(at) => prop_assert_eq!((out.as_slice(), end), (&text[..at], Typed::Detach)),
            None => {
                prop_assert_eq!(end, Typed::On);
                prop_assert!(text.starts_with(&out));
                let held = &text[out.len()..];
                prop_assert!(held.len() < keys.len() && keys.starts_with(held));
            }
        }
    }
}
