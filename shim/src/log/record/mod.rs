//! One log record, byte for byte as docker's json-file driver writes it:
//! `{"log":"…\n","stream":"stdout","attrs":{…},"time":"2026-11-21T12:00:00.123456789Z"}` and a
//! newline.

mod escape;

use std::fmt::Write as _;

use gantry_stdio::frame::Stream;
use jiff::Timestamp;

use self::escape::escape;
use super::lines::End;

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

#[cfg(test)]
mod tests;
