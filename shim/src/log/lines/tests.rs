use proptest::prelude::*;

use super::*;

fn split(chunks: &[&[u8]]) -> Vec<(Vec<u8>, End)> {
    let mut lines = Lines::default();
    let mut pieces = Vec::new();
    for chunk in chunks {
        lines.push(chunk, |piece, end| pieces.push((piece.to_vec(), end)));
    }
    let rest = lines.into_rest();
    if !rest.is_empty() {
        pieces.push((rest, End::Cut));
    }
    pieces
}

#[test]
fn a_line_of_exactly_the_limit_is_cut_before_its_newline() {
    let mut line = vec![b'x'; LIMIT];
    line.push(b'\n');
    assert_eq!(
        split(&[&line]),
        [(line[..LIMIT].to_vec(), End::Cut), (vec![], End::Newline)]
    );
    let short = &line[1..];
    assert_eq!(
        split(&[short]),
        [(short[..LIMIT - 1].to_vec(), End::Newline)]
    );
}

#[test]
fn empty_lines_and_an_unfinished_last_one_are_kept() {
    assert_eq!(
        split(&[b"\n\na", b"b"]),
        [
            (vec![], End::Newline),
            (vec![], End::Newline),
            (b"ab".to_vec(), End::Cut)
        ]
    );
}

proptest! {
    #[test]
    fn the_chunks_do_not_matter_and_nothing_is_lost(
        lengths in prop::collection::vec(prop_oneof![0_usize..20, 0_usize..40_000], 0..6),
        step in 1_usize..30_000,
    ) {
        let lines: Vec<String> = lengths.iter().map(|len| "x".repeat(*len)).collect();
        let text = lines.join("\n").into_bytes();
        let whole = split(&[&text]);
        let parts = split(&text.chunks(step).collect::<Vec<_>>());
        prop_assert_eq!(&whole, &parts);
        let mut joined = Vec::new();
        for (piece, end) in &whole {
            prop_assert!(piece.len() <= LIMIT);
            joined.extend_from_slice(piece);
            if *end == End::Newline {
                joined.push(b'\n');
            }
        }
        prop_assert_eq!(joined, text);
    }
}
