//! JSON strings, unescaped onto the end of a buffer.

/// Unescapes the string whose first quote has been passed, and gives what follows its last one. None
/// if it does not end here or is malformed.
pub(super) fn unescape<'a>(mut input: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let plain = memchr::memchr2(b'"', b'\\', input)?;
        out.extend_from_slice(&input[..plain]);
        if input[plain] == b'"' {
            return Some(&input[plain + 1..]);
        }
        input = escape(&input[plain + 1..], out)?;
    }
}

/// One escape, after its backslash.
fn escape<'a>(input: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (kind, rest) = input.split_first()?;
    let byte = match kind {
        b'n' => b'\n',
        b'"' | b'\\' | b'/' => *kind,
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        b'u' => return unicode(rest, out),
        _ => return None,
    };
    out.push(byte);
    Some(rest)
}

/// `XXXX`, or the first half of a pair that another escape completes.
fn unicode<'a>(input: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (high, rest) = hex4(input)?;
    let (scalar, rest) = match high {
        0xD800..=0xDBFF => match rest.strip_prefix(b"\\u").and_then(hex4) {
            Some((low @ 0xDC00..=0xDFFF, rest)) => {
                (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), rest)
            }
            _ => (0xFFFD, rest),
        },
        0xDC00..=0xDFFF => (0xFFFD, rest),
        scalar => (scalar, rest),
    };
    let mut buffer = [0; 4];
    out.extend_from_slice(char::from_u32(scalar)?.encode_utf8(&mut buffer).as_bytes());
    Some(rest)
}

fn hex4(input: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = input.split_at_checked(4)?;
    let mut number = 0;
    for digit in digits {
        number = number * 16 + char::from(*digit).to_digit(16)?;
    }
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::unescape;

    #[test]
    fn halves_of_pairs_become_replacement_characters_as_in_go() {
        for (text, expected) in [
            (r#"\ud83d\ude00""#, "😀"),
            (r#"\ud83dx""#, "\u{FFFD}x"),
            (r#"\ude00""#, "\u{FFFD}"),
            (r#"\ud83d\u0041""#, "\u{FFFD}A"),
        ] {
            let mut out = Vec::new();
            assert_eq!(unescape(text.as_bytes(), &mut out), Some(&b""[..]));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn what_does_not_end_or_is_malformed_is_refused() {
        for text in ["abc", "a\\", "a\\x\"", "a\\u12\"", "a\\u12g4\"", ""] {
            assert_eq!(unescape(text.as_bytes(), &mut Vec::new()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_writes_is_read_back(text in ".*") {
            let json = serde_json::to_string(&text).unwrap();
            let mut out = Vec::new();
            prop_assert_eq!(unescape(&json.as_bytes()[1..], &mut out), Some(&b""[..]));
            prop_assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
