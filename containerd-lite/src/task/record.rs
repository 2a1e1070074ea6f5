//! What the supervisor writes into a bundle about its task (`supervisor.json`), so that the next one
//! knows it before the shim has answered, and where the shim is.

use std::io;
use std::path::{Path, PathBuf};

use gantry_errors::{Classify, ErrorKind};
use serde::{Deserialize, Serialize};

use super::process::Processes;

const FILE: &str = "supervisor.json";
const VERSION: u32 = 1;

/// Why the record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// The file could not be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The file could not be written.
    #[error("write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        #[source]
        source: serde_json::Error,
    },
}

impl Classify for RecordError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => source.kind().into(),
            Self::Damaged { .. } => ErrorKind::DataLoss,
        }
    }
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    v: u32,
    /// The shim's binary, for its `delete` call.
    pub(crate) binary: PathBuf,
    /// The shim's socket, once it has told.
    pub(crate) socket: Option<PathBuf>,
    /// The processes, once the task was created.
    pub(crate) processes: Option<Processes>,
    /// Whether the shim is dead and its remains are gone.
    pub(crate) buried: bool,
    /// Whether the task was deleted, so that only remains are left.
    pub(crate) deleted: bool,
    /// Whether the exits of a buried task were published.
    pub(crate) announced: bool,
}

impl Record {
    /// A task that is about to be created.
    pub(crate) fn new(binary: PathBuf) -> Self {
        Self {
            v: VERSION,
            binary,
            socket: None,
            processes: None,
            buried: false,
            deleted: false,
            announced: false,
        }
    }

    /// Writes it whole. The directory is on a tmpfs: this takes microseconds and is not synced.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, bundle: &Path) -> Result<(), RecordError> {
        let path = bundle.join(FILE);
        let new = bundle.join("supervisor.json.new");
        let text = serde_json::to_vec(self).expect("a record has string keys and always encodes");
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(|source| RecordError::Write { path, source })
    }

    /// Reads it; `None` when there is none.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub(crate) fn read(bundle: &Path) -> Result<Option<Self>, RecordError> {
        let path = bundle.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::Read { path, source }),
        };
        serde_json::from_slice(&text).map_err(|source| RecordError::Damaged { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, RecordError};
    use crate::names::ExecId;
    use crate::task::process::{Exit, Phase, Process, Processes, Stdio};
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let bundle = tempfile::tempdir().expect("temporary directory");
        assert_eq!(Record::read(bundle.path()).expect("none"), None);
        let at = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let mut processes = Processes::new(Process {
            pid: 7,
            phase: Phase::Stopped(Exit { status: 3, at }),
            stdio: Stdio::default(),
        });
        let exec = ExecId::parse("e1").expect("exec id");
        let running = Process::created(0, Stdio::default());
        processes.execs.insert(exec, running);
        let mut record = Record::new("/bin/shim".into());
        record.processes = Some(processes);
        record.write(bundle.path()).expect("written");
        assert_eq!(Record::read(bundle.path()).expect("read"), Some(record));
    }

    #[test]
    fn a_damaged_record_is_told_apart_from_none() {
        let bundle = tempfile::tempdir().expect("temporary directory");
        std::fs::write(bundle.path().join("supervisor.json"), "{").expect("written");
        let error = Record::read(bundle.path()).expect_err("damaged");
        assert!(matches!(error, RecordError::Damaged { .. }));
    }
}
