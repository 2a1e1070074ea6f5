//! A build told as events, for a client that asked for them.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_build::{Ending, Event, Progress as Told, Stream};
use gantry_engine_api::build::{BuildEvent, EVENT_ID, How};
use gantry_engine_api::progress::ProgressMessage;
use jiff::Timestamp;

use crate::edge::http::blocking::Progress;

/// Tells a build's events as they are.
pub(super) struct Events<'a>(pub(super) &'a Progress);

impl Told for Events<'_> {
    fn tell(&self, event: Event) {
        if let Some(event) = written(event) {
            self.0.tell(message(&event));
        }
    }
}

/// An event as an object of the stream.
pub(super) fn message(event: &BuildEvent) -> ProgressMessage {
    ProgressMessage {
        id: EVENT_ID.to_owned(),
        aux: Some(serde_json::to_value(event).expect("plain fields")),
        ..ProgressMessage::default()
    }
}

fn ns(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

/// The classic builder's view of instructions is left out.
fn written(event: Event) -> Option<BuildEvent> {
    Some(match event {
        Event::Vertex(vertex) => BuildEvent::Vertex {
            vertex: vertex.digest.to_string(),
            name: vertex.name,
        },
        Event::Began { vertex, at } => BuildEvent::Began {
            vertex: vertex.to_string(),
            at_ns: ns(at),
        },
        Event::Ended { vertex, at, how } => BuildEvent::Ended {
            vertex: vertex.to_string(),
            at_ns: ns(at),
            how: match how {
                Ending::Done => How::Done,
                Ending::Cached => How::Cached,
                Ending::Cancelled => How::Cancelled,
                Ending::Failed(text) => How::Failed(text),
            },
        },
        Event::Status(status) => BuildEvent::Status {
            vertex: status.vertex.to_string(),
            part: status.id,
            current: status.current,
            total: status.total,
            done: status.completed.is_some(),
        },
        Event::Log(log) => BuildEvent::Log {
            vertex: log.vertex.to_string(),
            stream: if log.stream == Stream::Stdout { 1 } else { 2 },
            data: STANDARD.encode(&log.bytes),
        },
        Event::Warning(warning) => BuildEvent::Warning {
            rule: warning.lint.rule.name().to_owned(),
            message: warning.lint.message.clone(),
            line: warning.lint.lines.first,
        },
        Event::Instruction(_) => return None,
    })
}

/// Sends what is written as pieces of the target's files.
pub(super) struct Pieces<'a>(pub(super) &'a Progress);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let data = STANDARD.encode(bytes);
        self.0.tell(message(&BuildEvent::Files { data }));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
