//! Compact progress for terminals: a line per finished step, and below them what goes on, drawn anew.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_engine_api::build::{BuildEvent, How};

use super::Progress;
use super::ledger::{Ledger, Work};

/// How many lines of a failed step's output are shown.
const TAIL_LINES: usize = 20;

/// How wide a line may be where nobody says how wide the terminal is.
const COLUMNS: usize = 80;

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";
/// To the line's start, and everything from there on away.
const CLEAR: &str = "\r\u{1b}[J";

/// Draws on a terminal.
pub(in super::super) struct Compact {
    ledger: Ledger,
    /// The last lines of each step's output.
    tails: HashMap<String, VecDeque<String>>,
    /// How many lines below the finished ones are drawn.
    drawn: usize,
    colours: bool,
}

impl Compact {
    pub(in super::super) fn new() -> Self {
        Self {
            ledger: Ledger::default(),
            tails: HashMap::new(),
            drawn: 0,
            colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("{colour}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }

    /// Takes away what is drawn anew, and writes text above it.
    fn above(&mut self, text: &str) -> io::Result<()> {
        let up = match self.drawn {
            0 => String::new(),
            lines => format!("\u{1b}[{lines}A"),
        };
        self.drawn = 0;
        write!(io::stderr(), "{up}{CLEAR}{text}")
    }

    fn draw(&mut self) -> io::Result<()> {
        let columns = match rustix::termios::tcgetwinsize(io::stderr()) {
            Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
            _ => COLUMNS,
        };
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
        let mut text = String::new();
        let mut lines = 0;
        for (vertex, work) in self.ledger.running() {
            let tail = self.tails.get(vertex).and_then(VecDeque::back);
            let tail = tail.map(|tail| format!("  {tail}")).unwrap_or_default();
            let line = format!("… {} {:.1}s{tail}", work.name, work.seconds(now));
            let line: String = line
                .chars()
                .filter(|c| !c.is_control())
                .take(columns.saturating_sub(1))
                .collect();
            text.push_str(&line);
            text.push('\n');
            lines += 1;
        }
        self.above(&text)?;
        self.drawn = lines;
        Ok(())
    }

    fn log(&mut self, vertex: &str, data: &str) -> io::Result<()> {
        let bytes = STANDARD.decode(data).map_err(io::Error::other)?;
        let tail = self.tails.entry(vertex.to_owned()).or_default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            // A colour that a program leaves on is not the terminal's.
            let end = if line.contains('\u{1b}') { PLAIN } else { "" };
            tail.push_back(format!("{line}{end}"));
        }
        Ok(())
    }

    /// The line of what has ended, and a failed step's last words.
    fn finished(&self, vertex: &str, work: &Work) -> String {
        let name = &work.name;
        match work.how.as_ref() {
            Some(How::Done) => format!(
                "{} {name} {:.1}s\n",
                self.paint(GREEN, "✔"),
                work.seconds(0)
            ),
            Some(How::Cached) => format!("{}\n", self.paint(DIM, &format!("✔ {name} cached"))),
            Some(How::Failed(_)) => {
                let mut text = format!("{} {name} {:.1}s\n", self.paint(RED, "✘"), work.seconds(0));
                for line in self.tails.get(vertex).into_iter().flatten() {
                    text.push_str(&format!("  {line}\n"));
                }
                text
            }
            Some(How::Cancelled) | None => String::new(),
        }
    }
}

impl Progress for Compact {
    fn take(&mut self, event: &BuildEvent) -> io::Result<()> {
        self.ledger.take(event);
        match event {
            BuildEvent::Ended { vertex, .. } => {
                let line = self
                    .ledger
                    .get(vertex)
                    .map(|work| self.finished(vertex, work));
                self.above(&line.unwrap_or_default())?;
                self.draw()
            }
            BuildEvent::Log { vertex, data, .. } => self.log(vertex, data),
            BuildEvent::Warning {
                rule,
                message,
                line,
            } => self.above(&format!("WARNING: {rule}: {message} (line {line})\n")),
            BuildEvent::Excerpt { text } => self.above(text),
            BuildEvent::Began { .. } => self.draw(),
            BuildEvent::Vertex { .. }
            | BuildEvent::Status { .. }
            | BuildEvent::Shell { .. }
            | BuildEvent::Files { .. } => Ok(()),
        }
    }

    fn pause(&mut self) -> io::Result<()> {
        let running = self.ledger.running();
        let running: Vec<String> = running.iter().map(|(vertex, _)| (*vertex).into()).collect();
        let tails = running
            .iter()
            .filter_map(|vertex| self.tails.remove(vertex));
        let text: String = tails.flatten().map(|line| format!("  {line}\n")).collect();
        self.above(&text)
    }

    fn beat(&mut self) -> io::Result<()> {
        self.draw()
    }

    fn end(&mut self, image: Option<&str>, _: Option<&str>) -> io::Result<()> {
        let text = match image {
            Some(image) if self.ledger.has_begun() => {
                format!("{image}: {}\n", self.ledger.summary())
            }
            _ => String::new(),
        };
        self.above(&text)
    }
}
