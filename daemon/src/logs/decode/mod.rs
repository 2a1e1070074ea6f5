//! Records of docker's json-file driver, decoded straight into what a client gets.
//!
//! A record is one line: `{"log":"text\n","stream":"stdout","time":"2026-11-21T12:00:00.5Z"}`. The
//! shape that Docker and the shim write is read by hand, without a copy or an allocation a line;
//! any other JSON of that meaning falls back to serde. A line that is neither is left out: a torn
//! write must not end the log.

mod text;
pub(super) mod time;

use gantry_stdio::frame::Stream;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

use super::LogQuery;
use super::output::Output;
use time::parse_ns;

/// Length of a time with nine digits, as `2026-11-21T12:00:00.123456789Z`, and its space.
const STAMP_LEN: usize = 31;

/// What became of the bytes at the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A record of this many bytes was taken (written, filtered out or unreadable).
    Taken(usize),
    /// The record is not whole yet.
    Partial,
    /// The record lies after the window's end: so will all others.
    Past,
}

/// Decodes the record at the front of `input` onto the end of `out`.
pub(super) fn record(input: &[u8], query: &LogQuery, out: &mut Output) -> Step {
    if !query.details
        && let Some(step) = by_hand(input, query, out)
    {
        return step;
    }
    out.undo();
    let Some(end) = memchr::memchr(b'\n', input) else {
        return Step::Partial;
    };
    match by_serde(&input[..end], query, out) {
        Some(true) | None => Step::Taken(end + 1),
        Some(false) => Step::Past,
    }
}

/// The usual shape. None: another shape, or not whole; `out` may hold a part of it.
fn by_hand(input: &[u8], query: &LogQuery, out: &mut Output) -> Option<Step> {
    let text = input.strip_prefix(b"{\"log\":\"")?;
    let record = out.begin();
    let start = record.len();
    if query.timestamps {
        record.extend_from_slice(&[0; STAMP_LEN]);
    }
    let rest = text::unescape(text, record)?;
    let (stream, rest) = match rest.strip_prefix(b",\"stream\":\"stdout\",") {
        Some(rest) => (Stream::Stdout, rest),
        None => (
            Stream::Stderr,
            rest.strip_prefix(b",\"stream\":\"stderr\",")?,
        ),
    };
    let rest = skip_attributes(rest)?.strip_prefix(b"\"time\":\"")?;
    // RFC 3339 in UTC has between 20 and 30 bytes.
    let quote = rest.iter().take(STAMP_LEN).position(|byte| *byte == b'"')?;
    let (time, rest) = rest.split_at(quote);
    let rest = rest.strip_prefix(b"\"}\n")?;
    let taken = Step::Taken(input.len() - rest.len());
    match in_window(time, query)? {
        Place::Before => out.undo(),
        Place::After => {
            out.undo();
            return Some(Step::Past);
        }
        Place::Inside if !wants(query, stream) => out.undo(),
        Place::Inside => {
            if query.timestamps {
                time::write_stamp(time, record.get_mut(start..start + STAMP_LEN)?)?;
            }
            out.end(stream);
        }
    }
    Some(taken)
}

/// Skips `"attrs":{…},`: an object of strings that ends at the first brace outside of one.
fn skip_attributes(input: &[u8]) -> Option<&[u8]> {
    let Some(attributes) = input.strip_prefix(b"\"attrs\":{") else {
        return Some(input);
    };
    let mut in_string = false;
    let mut at = 0;
    while let Some(byte) = attributes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'}' if !in_string => return attributes[at + 1..].strip_prefix(b","),
            _ => {}
        }
        at += 1;
    }
    None
}

enum Place {
    Before,
    Inside,
    After,
}

/// Where a time lies; it is looked into only where it matters. None: not a time.
fn in_window(time: &[u8], query: &LogQuery) -> Option<Place> {
    if query.since_ns.is_none() && query.until_ns.is_none() {
        return Some(Place::Inside);
    }
    let ns = parse_ns(time)?;
    if query.until_ns.is_some_and(|until| ns > until) {
        return Some(Place::After);
    }
    if query.since_ns.is_some_and(|since| ns < since) {
        return Some(Place::Before);
    }
    Some(Place::Inside)
}

fn wants(query: &LogQuery, stream: Stream) -> bool {
    match stream {
        Stream::Stderr => query.stderr,
        _ => query.stdout,
    }
}

/// Any JSON of that meaning.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(default)]
    attrs: Option<BTreeMap<String, String>>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Whether the window goes on; none for a line that is no record.
fn by_serde(line: &[u8], query: &LogQuery, out: &mut Output) -> Option<bool> {
    let record: Record<'_> = serde_json::from_slice(line).ok()?;
    let stream = if record.stream == "stderr" {
        Stream::Stderr
    } else {
        Stream::Stdout
    };
    let ns = time::parse_any(&record.time)?;
    if query.until_ns.is_some_and(|until| ns > until) {
        return Some(false);
    }
    if query.since_ns.is_some_and(|since| ns < since) || !wants(query, stream) {
        return Some(true);
    }
    let text = out.begin();
    if query.timestamps {
        text.extend_from_slice(time::stamp_of(ns)?.as_bytes());
        text.push(b' ');
    }
    if query.details {
        write_attributes(&record.attrs.unwrap_or_default(), text);
    }
    text.extend_from_slice(record.log.as_bytes());
    out.end(stream);
    Some(true)
}

/// `key=value,key=value` in the order of the keys, escaped as in a query, and a space.
fn write_attributes(attributes: &BTreeMap<String, String>, out: &mut Vec<u8>) {
    for (index, (key, value)) in attributes.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend(url::form_urlencoded::byte_serialize(key.as_bytes()).flat_map(str::bytes));
        out.push(b'=');
        out.extend(url::form_urlencoded::byte_serialize(value.as_bytes()).flat_map(str::bytes));
    }
    out.push(b' ');
}
