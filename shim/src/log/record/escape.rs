//! Go's escapes of a JSON string: `<`, `>`, `&`, U+2028 and U+2029 as `\u….`, control characters but
//! newline and carriage return as `\u00..`, and each byte that is not UTF-8 as `\ufffd`.
//!
//! Text is looked at in blocks that are copied whole. Where little can be copied, as in binary data,
//! the processor would guess wrong at nearly every byte: there a [`window`] is encoded without
//! branches, in two passes. The first marks what belongs to well-formed characters, each byte by
//! itself, so that the compiler turns it into vector instructions; the second writes eight bytes for
//! each byte and goes on by as many as count.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What is looked at together, in bytes.
const BLOCK: usize = 16;
/// A shorter run of plain bytes is hardly worth copying, and so many of them in a row mean more.
const SHORT: usize = 4;
const MANY: usize = 3;
/// The bytes that are encoded together.
const WINDOW: usize = 64;
/// A window, and the rest of a character that begins in it.
const REACH: usize = WINDOW + 3;

/// For each byte whether it is written as it is.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte: u8 = 0x20;
    while byte < 0x80 {
        plain[byte as usize] = !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&');
        byte += 1;
    }
    plain
};

/// For each byte what is written for it alone: the text from the lowest byte on, in the highest its
/// length.
const ALONE: [u64; 256] = {
    let mut alone = [0; 256];
    let mut byte: u8 = 0;
    loop {
        let (high, low) = (HEX[byte as usize >> 4], HEX[byte as usize & 0xf]);
        let piece = match byte {
            b'"' | b'\\' => [b'\\', byte, 0, 0, 0, 0, 0, 2],
            b'\n' => [b'\\', b'n', 0, 0, 0, 0, 0, 2],
            b'\r' => [b'\\', b'r', 0, 0, 0, 0, 0, 2],
            0x80.. => *b"\\ufffd\0\x06",
            _ if PLAIN[byte as usize] => [byte, 0, 0, 0, 0, 0, 0, 1],
            _ => [b'\\', b'u', b'0', b'0', high, low, 0, 6],
        };
        alone[byte as usize] = u64::from_le_bytes(piece);
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    alone
};

/// [`ALONE`], and after it each byte as it is: what is written by whether the byte belongs to a
/// well-formed character of several. A look-up instead of a branch that no processor can guess.
const BY_PLACE: [u64; 512] = {
    let mut pieces = [0; 512];
    let mut byte = 0;
    while byte < 256 {
        pieces[byte] = ALONE[byte];
        pieces[byte + 256] = byte as u64 | 1 << 56;
        byte += 1;
    }
    pieces
};

/// Appends `bytes`, escaped, to `out`.
pub(super) fn escape(out: &mut Vec<u8>, mut bytes: &[u8]) {
    let mut short_runs = 0;
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(plain_len(bytes));
        out.extend_from_slice(head);
        short_runs = if head.len() < SHORT {
            short_runs + 1
        } else {
            0
        };
        bytes = match rest {
            [] => rest,
            [byte, after @ ..] if byte.is_ascii() && short_runs < MANY => {
                alone(out, *byte);
                after
            }
            _ if short_runs < MANY => character(out, rest),
            _ => window(out, rest),
        };
    }
}

/// How many bytes at the front are written as they are.
fn plain_len(bytes: &[u8]) -> usize {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let plain = blocks.iter().take_while(|block| {
        let special = |byte: &u8| {
            u8::from(*byte < 0x20)
                | u8::from(*byte >= 0x80)
                | u8::from(*byte == b'"')
                | u8::from(*byte == b'\\')
                | u8::from(*byte == b'<')
                | u8::from(*byte == b'>')
                | u8::from(*byte == b'&')
        };
        block.iter().fold(0, |any, byte| any | special(byte)) == 0
    });
    let whole = plain.count();
    let rest = blocks.get(whole).map_or(rest, |block| block.as_slice());
    whole * BLOCK
        + rest
            .iter()
            .position(|byte| !PLAIN[usize::from(*byte)])
            .unwrap_or(rest.len())
}

/// Appends what is written for a byte that is no part of a longer character.
fn alone(out: &mut Vec<u8>, byte: u8) {
    let piece = ALONE[usize::from(byte)].to_le_bytes();
    match piece[7] {
        // Known lengths are copied without a call.
        6 => out.extend_from_slice(&piece[..6]),
        2 => out.extend_from_slice(&piece[..2]),
        _ => out.push(piece[0]),
    }
}

/// Takes one character, or one byte that begins none, and returns what follows it.
fn character<'a>(out: &mut Vec<u8>, bytes: &'a [u8]) -> &'a [u8] {
    let len = char_len(bytes);
    match &bytes[..len] {
        [] => {
            alone(out, bytes[0]);
            return &bytes[1..];
        }
        [0xe2, 0x80, 0xa8] => out.extend_from_slice(b"\\u2028"),
        [0xe2, 0x80, 0xa9] => out.extend_from_slice(b"\\u2029"),
        character => out.extend_from_slice(character),
    }
    &bytes[len..]
}

/// The length of the well-formed character of several bytes (Unicode, table 3-7) at the front, 0 if
/// there is none.
fn char_len(bytes: &[u8]) -> usize {
    let (len, second) = match bytes[0] {
        0xc2..=0xdf => (2, 0x80..=0xbf),
        0xe0 => (3, 0xa0..=0xbf),
        0xe1..=0xec | 0xee..=0xef => (3, 0x80..=0xbf),
        0xed => (3, 0x80..=0x9f),
        0xf0 => (4, 0x90..=0xbf),
        0xf1..=0xf3 => (4, 0x80..=0xbf),
        0xf4 => (4, 0x80..=0x8f),
        _ => return 0,
    };
    let well_formed = bytes.len() >= len
        && second.contains(&bytes[1])
        && bytes[2..len]
            .iter()
            .all(|byte| (0x80..=0xbf).contains(byte));
    if well_formed { len } else { 0 }
}

/// Takes [`WINDOW`] bytes, or what there is, up to a character's end; returns what follows.
fn window<'a>(out: &mut Vec<u8>, bytes: &'a [u8]) -> &'a [u8] {
    let known = bytes.len().min(REACH);
    // Past the end are zeros: they continue no character.
    let mut input = [0; REACH];
    input[..known].copy_from_slice(&bytes[..known]);
    let Some(kept) = mark(&input) else {
        let mut rest = bytes;
        while !rest.is_empty() && bytes.len() - rest.len() < WINDOW {
            rest = character(out, rest);
        }
        return rest;
    };
    let mut len = known.min(WINDOW);
    while len < known && kept[len] != 0 {
        len += 1;
    }
    let mut text = [0; REACH * 6 + 8];
    let mut used = 0;
    for (byte, kept) in std::iter::zip(&input[..len], &kept) {
        let place = usize::from(*byte) | usize::from(*kept & 1) << 8;
        let piece = BY_PLACE[place].to_le_bytes();
        text[used..used + 8].copy_from_slice(&piece);
        used += usize::from(piece[7]);
    }
    out.extend_from_slice(&text[..used]);
    &bytes[len..]
}

/// Marks each byte of the well-formed characters of several bytes that begin in the window; `None` if
/// U+2028 or U+2029 is among them.
fn mark(input: &[u8; REACH]) -> Option<[u8; REACH]> {
    let (mut two, mut three, mut four) = ([0; WINDOW], [0; WINDOW], [0; WINDOW]);
    let mut separators = 0;
    for at in 0..WINDOW {
        let [a, b, c, d] = [input[at], input[at + 1], input[at + 2], input[at + 3]];
        let is = u8::from;
        let goes_on = |byte: u8| u8::from(byte & 0xc0 == 0x80);
        two[at] = is(a >= 0xc2) & is(a <= 0xdf) & goes_on(b);
        three[at] = is(a >= 0xe0) & is(a <= 0xef) & goes_on(b) & goes_on(c);
        three[at] &= is(a != 0xe0) | is(b >= 0xa0);
        three[at] &= is(a != 0xed) | is(b <= 0x9f);
        four[at] = is(a >= 0xf0) & is(a <= 0xf4) & goes_on(b) & goes_on(c) & goes_on(d);
        four[at] &= is(a != 0xf0) | is(b >= 0x90);
        four[at] &= is(a != 0xf4) | is(b <= 0x8f);
        separators |= is(a == 0xe2) & is(b == 0x80) & is(c | 1 == 0xa9);
    }
    let mut kept = [0; REACH];
    for at in 0..WINDOW {
        kept[at] |= two[at] | three[at] | four[at];
    }
    for at in 0..WINDOW {
        kept[at + 1] |= two[at] | three[at] | four[at];
    }
    for at in 0..WINDOW {
        kept[at + 2] |= three[at] | four[at];
    }
    for at in 0..WINDOW {
        kept[at + 3] |= four[at];
    }
    (separators == 0).then_some(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by the plainest way.
    fn one_by_one(mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while !bytes.is_empty() {
            bytes = character(&mut out, bytes);
        }
        out
    }

    /// Bytes as text, binary data and mixtures have them.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<String>().prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..200),
            prop::collection::vec(0x80_u8..=0xff, 0..200),
            "[ -~]{0,80}".prop_map(String::into_bytes),
            Just("\u{2028}".as_bytes().to_vec()),
            "[\u{80}-\u{10ffff}]{0,40}".prop_map(|text| text.as_bytes()[..text.len() / 2].to_vec()),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_gait_changes_what_is_written(bytes in pieces()) {
            let mut out = Vec::new();
            escape(&mut out, &bytes);
            prop_assert_eq!(out, one_by_one(&bytes));
        }
    }

    #[test]
    fn a_character_may_lie_across_every_edge_of_a_window() {
        for filler in [&b"\xff"[..], b"a", b"\""] {
            for character in ["é", "€", "😀", "\u{2028}"] {
                for before in 0..3 * WINDOW {
                    let bytes = [&filler.repeat(before), character.as_bytes(), b"\x80z"].concat();
                    let mut out = Vec::new();
                    escape(&mut out, &bytes);
                    assert_eq!(out, one_by_one(&bytes), "{before} before {character:?}");
                }
            }
        }
    }
}
