//! How processes ended, kept in the bundle: `exits/<id>.json`, written whole before the end is
//! announced and kept until the bundle goes, so that no death of ours loses it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;
/// 128 + SIGKILL: what is said of a process whose end nobody saw.
const UNKNOWN_STATUS: u32 = 137;

/// The end of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit {
    /// The exit code, or 128 and the signal's number.
    pub(crate) status: u32,
    /// When it was reaped.
    pub(crate) at: SystemTime,
}

impl Exit {
    /// An end at this moment that nobody saw.
    pub(crate) fn unknown() -> Self {
        Self {
            status: UNKNOWN_STATUS,
            at: SystemTime::now(),
        }
    }
}

/// A record on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    v: u32,
    pid: u32,
    exit_status: u32,
    exited_at: Timestamp,
}

/// The folder of one bundle's records.
#[derive(Debug, Clone)]
pub(crate) struct Exits {
    folder: PathBuf,
}

impl Exits {
    /// The records of the bundle at `bundle`.
    pub(crate) fn of(bundle: &Path) -> Self {
        Self {
            folder: bundle.join("exits"),
        }
    }

    /// Keeps the end of `process` (the container's id, or an exec's).
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub(crate) fn keep(&self, process: &str, pid: u32, exit: Exit) -> io::Result<()> {
        let exited_at = Timestamp::try_from(exit.at).unwrap_or(Timestamp::UNIX_EPOCH);
        let record = Record {
            v: VERSION,
            pid,
            exit_status: exit.status,
            exited_at,
        };
        fs::create_dir_all(&self.folder)?;
        let new = self.folder.join(format!(".{process}.new"));
        fs::write(&new, serde_json::to_vec(&record)?)?;
        fs::rename(new, self.path(process))
    }

    /// What is known of `process`: its pid and its end.
    pub(crate) fn find(&self, process: &str) -> Option<(u32, Exit)> {
        let record: Record = serde_json::from_slice(&fs::read(self.path(process)).ok()?).ok()?;
        let at = SystemTime::from(record.exited_at);
        (record.v == VERSION).then_some((
            record.pid,
            Exit {
                status: record.exit_status,
                at,
            },
        ))
    }

    /// Forgets `process`.
    pub(crate) fn forget(&self, process: &str) {
        let _ = fs::remove_file(self.path(process));
    }

    fn path(&self, process: &str) -> PathBuf {
        self.folder.join(format!("{process}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_found_again_with_its_time_and_no_other() {
        let bundle = tempfile::tempdir().unwrap();
        let exits = Exits::of(bundle.path());
        assert_eq!(exits.find("c"), None);
        let exit = Exit {
            status: 7,
            at: SystemTime::now(),
        };
        exits.keep("c", 42, exit).unwrap();
        assert_eq!(exits.find("c"), Some((42, exit)));
        assert_eq!(exits.find("e"), None);
        exits.forget("c");
        assert_eq!(exits.find("c"), None);
    }
}
