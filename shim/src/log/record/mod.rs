//! One log record, byte for byte as docker's json-file driver writes it:
//! `{"log":"…\n","stream":"stdout","attrs":{…},"time":"2026-11-21T12:00:00.123456789Z"}` and a
//! newline. The escapes are Go's: `<`, `>`, `&`, U+2028 and U+2029 as `\u….`, control characters but
//! newline and carriage return as `\u00..`, and each byte that is not UTF-8 as `\ufffd`.

use std::fmt::Write as _;

use gantry_stdio::frame::Stream;
use jiff::Timestamp;

use super::lines::End;

const HEX: &[u8; 16] = b"0123456789abcdef";

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

/// Encodes records that share their `attrs`, and the time until it is set anew.
#[derive(Debug)]
pub(super) struct Encoder {
    attrs: String,
    time: Timestamp,
    /// `,"attrs":{…},"time":"…"}` and the newline, as both streams' records end.
    tail: String,
}

impl Encoder {
    /// An encoder that writes `attrs`, a JSON object, into each record.
    pub(super) fn new(attrs: Option<&str>) -> Self {
        let attrs = attrs.map_or_else(String::new, |attrs| format!("\"attrs\":{attrs},"));
        Self {
            attrs,
            time: Timestamp::MIN,
            tail: String::new(),
        }
    }

    /// The time of the records that follow. A clock that was set back is not followed: records are
    /// in the order of their times.
    pub(super) fn set_time(&mut self, now: Timestamp) {
        if now <= self.time {
            return;
        }
        self.time = now;
        self.tail.clear();
        writeln!(self.tail, ",{}\"time\":\"{now}\"}}", self.attrs).expect("a String takes all");
    }

    /// Appends one record to `out`.
    pub(super) fn append(&self, out: &mut Vec<u8>, stream: Stream, line: &[u8], end: End) {
        out.extend_from_slice(b"{\"log\":\"");
        escape(out, line);
        out.extend_from_slice(match (stream, end) {
            (Stream::Stderr, End::Newline) => b"\\n\",\"stream\":\"stderr\"".as_slice(),
            (Stream::Stderr, End::Cut) => b"\",\"stream\":\"stderr\"",
            (_, End::Newline) => b"\\n\",\"stream\":\"stdout\"",
            (_, End::Cut) => b"\",\"stream\":\"stdout\"",
        });
        out.extend_from_slice(self.tail.as_bytes());
    }
}

fn escape(out: &mut Vec<u8>, mut bytes: &[u8]) {
    loop {
        let (head, rest) = bytes.split_at(plain_len(bytes));
        out.extend_from_slice(head);
        let Some(first) = rest.first() else { return };
        bytes = if first.is_ascii() {
            escape_ascii(out, *first);
            &rest[1..]
        } else {
            escape_wide(out, rest)
        };
    }
}

/// How many bytes at the front are written as they are. Sixteen are looked at together, which the
/// compiler turns into vector instructions.
fn plain_len(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<16>();
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
    let whole = plain.count() * 16;
    let rest = &bytes[whole..];
    whole
        + rest
            .iter()
            .position(|byte| !PLAIN[usize::from(*byte)])
            .unwrap_or(rest.len())
}

fn escape_ascii(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
}

/// Takes one character, or one byte that begins none, and returns what follows it.
fn escape_wide<'a>(out: &mut Vec<u8>, bytes: &'a [u8]) -> &'a [u8] {
    let len = char_len(bytes);
    match &bytes[..len] {
        [] => {
            out.extend_from_slice(b"\\ufffd");
            return &bytes[1..];
        }
        [0xe2, 0x80, 0xa8] => out.extend_from_slice(b"\\u2028"),
        [0xe2, 0x80, 0xa9] => out.extend_from_slice(b"\\u2029"),
        character => out.extend_from_slice(character),
    }
    &bytes[len..]
}

/// The length of the well-formed character (Unicode, table 3-7) at the front, 0 if there is none.
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

#[cfg(test)]
mod tests;
