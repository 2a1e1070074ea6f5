//! The append-only journal under the state directory.
//!
//! ```text
//! events/id                      names the journal; made once, lost with the tmpfs
//! events/00000000000000000001    a segment, named by its first sequence number
//!   record: length u32 · checksum u32 · sequence u64 · Envelope (protobuf)      little-endian
//! ```
//!
//! A record is one `write(2)`; sequence numbers go up by one. A process killed in the middle of a
//! write leaves a torn tail, which the next start cuts off: nobody was told of it. Segments rotate at
//! a size and the oldest are removed; whoever wants to resume before them is told so. Nothing is
//! synced: the journal need not survive the machine, whose containers do not either.

mod reader;
mod segment;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gantry_errors::{Classify, ErrorKind};
use gantry_telemetry::failpoint;
use prost::Message;
use tokio::sync::watch;

use super::{Event, to_envelope};
pub(crate) use reader::Reader;

/// A segment is closed once it holds this much, in bytes.
const SEGMENT_BYTES: u64 = 1 << 20;
/// How many segments are kept.
const SEGMENTS: usize = 8;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// Its directory or a segment cannot be read.
    #[error("open the event journal {path}")]
    Open {
        /// What was opened.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A record could not be written.
    #[error("append to the event journal")]
    Append(#[source] io::Error),
    /// A record could not be read back.
    #[error("read the event journal")]
    Read(#[source] io::Error),
    /// A record is not what was written.
    #[error("event {0} in the journal is damaged")]
    Damaged(u64),
}

impl Classify for JournalError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { source, .. } | Self::Append(source) | Self::Read(source) => {
                source.kind().into()
            }
            Self::Damaged(_) => ErrorKind::DataLoss,
        }
    }
}

/// A place in a journal: everything up to and including `sequence` is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Which journal.
    pub(crate) journal: Arc<str>,
    /// The last entry that was handled.
    pub(crate) sequence: u64,
}

/// The journal. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    id: Arc<str>,
    writer: Mutex<Writer>,
    /// Sequence of the last record that is wholly written.
    head: watch::Sender<u64>,
    segment_bytes: u64,
}

#[derive(Debug)]
struct Writer {
    file: File,
    bytes: u64,
    last: u64,
    /// First sequence of each segment, oldest first.
    segments: Vec<u64>,
}

impl Journal {
    /// Opens the journal in `directory`, or begins one.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub(crate) fn open(directory: &Path) -> Result<Self, JournalError> {
        Self::with_segments(directory, SEGMENT_BYTES)
    }

    fn with_segments(directory: &Path, segment_bytes: u64) -> Result<Self, JournalError> {
        let opened = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Open { path, source }
        };
        std::fs::create_dir_all(directory).map_err(opened(directory))?;
        let id = identity(&directory.join("id")).map_err(opened(directory))?;
        let mut segments = segment::list(directory).map_err(opened(directory))?;
        if segments.is_empty() {
            segments.push(1);
        }
        let first = *segments.last().unwrap_or(&1);
        let path = segment::path(directory, first);
        let (file, bytes, last) = segment::recover(&path, first).map_err(opened(&path))?;
        Ok(Self(Arc::new(Shared {
            directory: directory.to_owned(),
            id,
            writer: Mutex::new(Writer {
                file,
                bytes,
                last,
                segments,
            }),
            head: watch::Sender::new(last),
            segment_bytes,
        })))
    }

    /// Appends an event; once this returns, it survives the process and subscribers see it.
    ///
    /// # Errors
    /// The record could not be written whole; nothing was published.
    pub(crate) fn append(&self, event: &Event) -> Result<u64, JournalError> {
        let body = to_envelope(event).encode_to_vec();
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = writer.last + 1;
        if writer.bytes >= self.0.segment_bytes {
            self.rotate(&mut writer, sequence)?;
        }
        let record = segment::encode(sequence, &body);
        if let Err(error) = writer.file.write_all(&record) {
            // Take the torn record back, so that the next one does not follow it.
            let _ = writer.file.set_len(writer.bytes);
            return Err(JournalError::Append(error));
        }
        writer.bytes += record.len() as u64;
        writer.last = sequence;
        self.0.head.send_replace(sequence);
        drop(writer);
        let _ = failpoint("journal.appended");
        Ok(sequence)
    }

    fn rotate(&self, writer: &mut Writer, first: u64) -> Result<(), JournalError> {
        let path = segment::path(&self.0.directory, first);
        writer.file = segment::create(&path).map_err(JournalError::Append)?;
        writer.bytes = 0;
        writer.segments.push(first);
        while writer.segments.len() > SEGMENTS {
            let oldest = writer.segments.remove(0);
            let path = segment::path(&self.0.directory, oldest);
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an old journal segment stays");
            }
        }
        Ok(())
    }

    /// Changes with every entry.
    pub(crate) fn activity(&self) -> watch::Receiver<u64> {
        self.0.head.subscribe()
    }

    /// Where the journal ends now.
    pub(crate) fn head(&self) -> Cursor {
        self.cursor(*self.0.head.borrow())
    }

    pub(super) fn cursor(&self, sequence: u64) -> Cursor {
        let journal = Arc::clone(&self.0.id);
        Cursor { journal, sequence }
    }

    /// Whether everything after `cursor` is still kept.
    pub(crate) fn holds(&self, cursor: &Cursor) -> bool {
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = writer.segments.first().copied().unwrap_or(1);
        cursor.journal == self.0.id
            && cursor.sequence <= writer.last
            && cursor.sequence + 1 >= oldest
    }

    fn segments(&self) -> Vec<u64> {
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.segments.clone()
    }

    /// A reader that begins after `sequence`.
    pub(crate) fn reader(&self, sequence: u64) -> Reader {
        Reader::new(self.clone(), sequence, self.0.head.subscribe())
    }

    fn directory(&self) -> &Path {
        &self.0.directory
    }
}

/// The journal's name: what the kernel calls a UUID, written once.
fn identity(path: &Path) -> io::Result<Arc<str>> {
    match std::fs::read_to_string(path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().into()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let new = path.with_extension("new");
    std::fs::write(&new, id.trim())?;
    std::fs::rename(&new, path)?;
    Ok(id.trim().into())
}

#[cfg(test)]
mod tests;
