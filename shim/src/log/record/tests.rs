use proptest::prelude::*;

use super::*;

fn encode(line: &[u8]) -> String {
    let mut out = Vec::new();
    escape(&mut out, line);
    String::from_utf8(out).expect("a record is UTF-8")
}

#[test]
fn a_record_is_what_docker_writes() {
    let mut encoder = Encoder::new(None);
    encoder.set_time("2026-11-21T12:00:00.120Z".parse().unwrap());
    let mut out = Vec::new();
    encoder.append(&mut out, Stream::Stdout, b"hello", End::Newline);
    encoder.append(&mut out, Stream::Stderr, b"cut", End::Cut);
    let expected = "{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-21T12:00:00.12Z\"}\n\
                    {\"log\":\"cut\",\"stream\":\"stderr\",\"time\":\"2026-11-21T12:00:00.12Z\"}\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn attrs_stand_between_stream_and_time_and_time_never_goes_back() {
    let mut encoder = Encoder::new(Some(r#"{"tag":"x"}"#));
    encoder.set_time("2026-11-21T12:00:01Z".parse().unwrap());
    encoder.set_time("2026-11-21T12:00:00Z".parse().unwrap());
    let mut out = Vec::new();
    encoder.append(&mut out, Stream::Stdout, b"", End::Newline);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"log\":\"\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"x\"},\"time\":\"2026-11-21T12:00:01Z\"}\n"
    );
}

#[test]
fn the_escapes_are_gos() {
    for (line, expected) in [
        (b"a\"b\\c".as_slice(), r#"a\"b\\c"#),
        (b"<a href=x>&", r"\u003ca href=x\u003e\u0026"),
        (b"\t\r\x00\x1b[0m\x7f", "\\u0009\\r\\u0000\\u001b[0m\x7f"),
        (
            "grün \u{2028}\u{2029} 😀".as_bytes(),
            "grün \\u2028\\u2029 😀",
        ),
        (b"\xff\xc3(\xe2\x82", r"\ufffd\ufffd(\ufffd\ufffd"),
        (b"\xed\xa0\x80\xf4\x90\x80\x80", &r"\ufffd".repeat(7)),
        (b"\xc0\xaf\xe0\x80\x80", &r"\ufffd".repeat(5)),
    ] {
        assert_eq!(encode(line), expected, "{line:?}");
    }
}

proptest! {
    /// Any text comes back from any JSON reader.
    #[test]
    fn text_survives(text in any::<String>()) {
        let json = format!("\"{}\"", encode(text.as_bytes()));
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    /// Any bytes give valid JSON, in which every stray byte is one replacement character.
    #[test]
    fn bytes_become_valid_json(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let json = format!("\"{}\"", encode(&bytes));
        let decoded = serde_json::from_str::<String>(&json).unwrap();
        let stray: usize = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
        let valid: String = bytes.utf8_chunks().map(|chunk| chunk.valid().to_owned()).collect();
        prop_assert_eq!(decoded.chars().count(), valid.chars().count() + stray);
    }
}
