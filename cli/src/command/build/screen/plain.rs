//! Plain progress, as BuildKit's clients write it: `#5 [2/3] RUN make`, `#5 0.317 text`, `#5 DONE 0.6s`.

use std::collections::HashMap;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_engine_api::build::{BuildEvent, How};

use super::Progress;
use super::ledger::Ledger;

/// Writes a line for everything that happens.
#[derive(Default)]
pub(in super::super) struct Plain {
    ledger: Ledger,
    /// The vertex whose lines are being written.
    last: String,
    /// Output without its line's end yet, by vertex.
    open: HashMap<String, Vec<u8>>,
}

impl Plain {
    /// Writes a line that belongs to a piece of work; its name comes first when another's stood there.
    fn line(&mut self, vertex: &str, text: &str) -> io::Result<()> {
        let Some(work) = self.ledger.get(vertex) else {
            return Ok(());
        };
        let mut err = io::stderr().lock();
        if self.last != vertex {
            let gap = if self.last.is_empty() { "" } else { "\n" };
            writeln!(err, "{gap}#{} {}", work.number, work.name)?;
            vertex.clone_into(&mut self.last);
        }
        if text.is_empty() {
            return Ok(());
        }
        writeln!(err, "#{} {text}", work.number)
    }

    fn log(&mut self, vertex: &str, data: &str) -> io::Result<()> {
        let bytes = STANDARD.decode(data).map_err(io::Error::other)?;
        let mut open = self.open.remove(vertex).unwrap_or_default();
        open.extend_from_slice(&bytes);
        while let Some(end) = open.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = open.drain(..=end).collect();
            self.output(vertex, &line[..end])?;
        }
        self.open.insert(vertex.to_owned(), open);
        Ok(())
    }

    fn output(&mut self, vertex: &str, line: &[u8]) -> io::Result<()> {
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
        let at = self
            .ledger
            .get(vertex)
            .map_or(0.0, |work| work.seconds(now));
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        self.line(vertex, &format!("{at:.3} {text}"))
    }

    fn ended(&mut self, vertex: &str, how: &How) -> io::Result<()> {
        let rest = self.open.remove(vertex).unwrap_or_default();
        if !rest.is_empty() {
            self.output(vertex, &rest)?;
        }
        let seconds = self.ledger.get(vertex).map_or(0.0, |work| work.seconds(0));
        let text = match how {
            How::Done => format!("DONE {seconds:.1}s"),
            How::Cached => "CACHED".to_owned(),
            How::Cancelled => "CANCELED".to_owned(),
            How::Failed(text) => format!("ERROR: {text}"),
        };
        self.line(vertex, &text)
    }
}

/// ` 12.3kB`; nothing for what is not counted.
fn size(bytes: u64) -> String {
    if bytes <= 1 {
        return String::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let bytes = bytes as f64;
    format!(" {}", crate::format::decimal_size(bytes))
}

impl Progress for Plain {
    fn take(&mut self, event: &BuildEvent) -> io::Result<()> {
        self.ledger.take(event);
        match event {
            BuildEvent::Began { vertex, .. } => self.line(vertex, ""),
            BuildEvent::Log { vertex, data, .. } => self.log(vertex, data),
            BuildEvent::Ended { vertex, how, .. } => self.ended(vertex, how),
            BuildEvent::Warning {
                rule,
                message,
                line,
            } => writeln!(io::stderr(), "\nWARNING: {rule}: {message} (line {line})"),
            BuildEvent::Excerpt { text } => io::stderr().write_all(text.as_bytes()),
            BuildEvent::Status {
                vertex,
                part,
                current,
                done: true,
                ..
            } => {
                let size = size(*current);
                self.line(vertex, &format!("{part}{size} done"))
            }
            BuildEvent::Vertex { .. }
            | BuildEvent::Status { .. }
            | BuildEvent::Shell { .. }
            | BuildEvent::Files { .. } => Ok(()),
        }
    }

    fn end(&mut self, image: Option<&str>, _: Option<&str>) -> io::Result<()> {
        match image {
            Some(image) if self.ledger.has_begun() => {
                writeln!(io::stderr(), "\n{image}: {}", self.ledger.summary())
            }
            _ => Ok(()),
        }
    }
}
