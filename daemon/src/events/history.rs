//! The kept events in a file of the exec root, so that a restarted engine still has them: a client
//! that returns with `since` misses none, and recovery knows what the world was told.
//!
//! One JSON object a line. It is not synced: it need not survive the machine, whose containers do not
//! either. A line that was torn by a kill is cut off at the next start. Losing the file loses nothing
//! but history, so that errors are logged and the engine goes on without it.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use gantry_engine_api::EventMessage;
use serde::{Deserialize, Serialize};

use super::HISTORY;

/// The version that this program writes.
const VERSION: u32 = 1;
/// The file is written anew when it holds this many times the events that are kept.
const SLACK: usize = 4;

/// What made an event: an entry of the supervisor's journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause {
    /// Which journal.
    pub journal: String,
    /// Which entry.
    pub sequence: u64,
}

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<Cause>,
    pub(super) event: EventMessage,
}

impl Line {
    pub(super) fn new(event: EventMessage, cause: Option<Cause>) -> Self {
        Self {
            v: VERSION,
            cause,
            event,
        }
    }

    fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).expect("an event has string keys only");
        text.push(b'\n');
        text
    }
}

/// The file.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl History {
    /// Opens the file and reads the newest events, oldest first.
    pub(super) fn open(path: &Path) -> io::Result<(Self, VecDeque<Line>)> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        // What has no newline was torn, what is no event was written by another version.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let read = |line: &str| serde_json::from_str::<Line>(line).ok();
        let mut kept: VecDeque<Line> = whole
            .lines()
            .filter_map(read)
            .filter(|line| line.v == VERSION)
            .collect();
        kept.drain(..kept.len().saturating_sub(HISTORY));
        let file = write_anew(path, &kept)?;
        let lines = kept.len();
        let path = path.to_owned();
        Ok((Self { path, file, lines }, kept))
    }

    /// Adds an event.
    pub(super) fn add(&mut self, line: &Line) -> io::Result<()> {
        if self.lines >= HISTORY * SLACK {
            // Reading it again drops what is too old.
            (*self, _) = Self::open(&self.path)?;
        }
        self.lines += 1;
        self.file.write_all(&line.text())
    }
}

/// Replaces the file by one that holds these lines.
fn write_anew<'a>(path: &Path, lines: impl IntoIterator<Item = &'a Line>) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut text = Vec::new();
    for line in lines {
        text.extend(line.text());
    }
    fs::write(&new, &text)?;
    fs::rename(&new, path)?;
    File::options().append(true).open(path)
}
