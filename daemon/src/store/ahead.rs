//! What was answered ahead of its sync, in a file that outlives the engine but not the machine.
//!
//! The state of a run need not survive the machine, whose containers do not either; it must survive a
//! kill of the engine (ADR 28). Such a batch is appended here, one JSON object a line, and its caller
//! is answered; the writer commits it soon after and empties the file. An engine that finds lines
//! applies those that the database does not hold yet: each has a number, and every transaction writes
//! the highest it holds ([`Mark`]). Numbers are given in the order in which batches reach the writer.
//!
//! A line that was torn by a kill was never answered and is left out, with whatever follows it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use gantry_ids::ContainerId;
use serde::{Deserialize, Serialize};

use super::{Batch, Table};

/// The version that this program writes, of marks and lines.
const VERSION: u32 = 1;
/// Past this the file takes no more: a disk that does not take the commits must not fill the memory.
const MAX_BYTES: u64 = 4 << 20;

/// Which lines the database holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    v: u32,
    /// Whose lines: a random name of this database, so that those of one that was deleted mean nothing.
    store: String,
    /// All up to this one.
    number: u64,
}

impl Mark {
    /// Where the mark lies in the engine's own table.
    pub(super) const KEY: &str = "ahead";

    /// Of a database that has none yet.
    pub(super) fn new() -> Self {
        Self {
            v: VERSION,
            // Any random name.
            store: ContainerId::generate().to_string(),
            number: 0,
        }
    }

    /// Reads what [`Self::encode`] wrote; another version's is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mark: Self = serde_json::from_slice(bytes).ok()?;
        (mark.v == VERSION).then_some(mark)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain fields")
    }

    /// The same database's, with all up to `number`.
    pub(super) fn at(&self, number: u64) -> Self {
        Self {
            number,
            ..self.clone()
        }
    }
}

/// A batch in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    v: u32,
    store: String,
    number: u64,
    changes: Vec<(Table, String, Option<String>)>,
}

/// Why a batch cannot go ahead; it takes the slow way then.
#[derive(Debug, thiserror::Error)]
pub(super) enum AheadError {
    #[error("the record is no text")]
    NoText,
    #[error("too much waits for its commit")]
    Full,
    #[error("write what goes ahead of its commit")]
    Write(#[source] io::Error),
}

/// The file.
#[derive(Debug)]
pub(super) struct Ahead {
    file: File,
    bytes: u64,
    /// The last line's number, and whose lines they are.
    last: Mark,
}

impl Ahead {
    /// The lines that the database with this mark does not hold, in order, and the mark once it does.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) fn missing(path: &Path, mark: &Mark) -> io::Result<(Vec<Batch>, Mark)> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut number = mark.number;
        let mut batches = Vec::new();
        for line in whole.lines() {
            let Ok(line) = serde_json::from_str::<Line>(line) else {
                break;
            };
            if line.v != VERSION || line.store != mark.store || line.number <= number {
                continue;
            }
            number = line.number;
            let bytes = |(table, key, value): (_, _, Option<String>)| {
                (table, key, value.map(String::into_bytes))
            };
            batches.push(Batch {
                changes: line.changes.into_iter().map(bytes).collect(),
            });
        }
        Ok((batches, mark.at(number)))
    }

    /// An empty file, once the database holds all there was.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn create(path: &Path, mark: Mark) -> io::Result<Self> {
        fs::write(path, "")?;
        Ok(Self {
            file: File::options().append(true).open(path)?,
            bytes: 0,
            last: mark,
        })
    }

    /// Writes a batch and gives it a number. It is safe from a kill when this returns.
    ///
    /// # Errors
    /// Nothing was written that would be read again.
    pub(super) fn append(&mut self, batch: &Batch) -> Result<u64, AheadError> {
        if self.bytes > MAX_BYTES {
            return Err(AheadError::Full);
        }
        let text = |value: &Option<Vec<u8>>| match value {
            Some(bytes) => String::from_utf8(bytes.clone()).map(Some),
            None => Ok(None),
        };
        let changes: Result<_, _> = batch
            .changes
            .iter()
            .map(|(table, key, value)| Ok((*table, key.clone(), text(value)?)))
            .collect();
        let number = self.last.number + 1;
        let line = Line {
            v: VERSION,
            store: self.last.store.clone(),
            number,
            changes: changes.map_err(|_: std::string::FromUtf8Error| AheadError::NoText)?,
        };
        let mut text = serde_json::to_vec(&line).expect("plain fields");
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            // Half a line would hide those after it.
            drop(self.file.set_len(self.bytes));
            return Err(AheadError::Write(error));
        }
        self.bytes += text.len() as u64;
        self.last.number = number;
        Ok(number)
    }

    /// The mark of a transaction that holds all up to `number`.
    pub(super) fn mark(&self, number: u64) -> Mark {
        self.last.at(number)
    }

    /// The database holds all up to `number`: the file is emptied if that was the last.
    pub(super) fn settle(&mut self, number: u64) {
        if number == self.last.number && self.file.set_len(0).is_ok() {
            self.bytes = 0;
        }
    }
}
