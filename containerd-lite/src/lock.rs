//! One supervisor per directory.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// How long a lock may outlive its owner: one killed while it started a shim has left a child that holds
/// it until it runs the shim's program.
const AFTERLIFE: Duration = Duration::from_secs(5);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Why a directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another process has it.
    #[error("{directory} is in use by another containerd-lite (pid {pid})")]
    Held {
        /// The directory.
        directory: PathBuf,
        /// Who says to have it.
        pid: String,
    },
    /// The lock's file cannot be made.
    #[error("lock {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// A directory that is ours until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the lock is held while it is open")
    )]
    file: File,
}

impl Lock {
    /// Makes the directory if need be and takes it.
    ///
    /// # Errors
    /// Another supervisor has it, or it cannot be made.
    pub(crate) fn take(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join("lock");
        let failed = |source| LockError::File {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        let deadline = Instant::now() + AFTERLIFE;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) => {
                    let holder = holder(&mut file);
                    if is_alive(&holder) || Instant::now() > deadline {
                        return Err(LockError::Held {
                            directory: directory.to_owned(),
                            pid: holder,
                        });
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
        let told = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        told.map_err(failed)?;
        Ok(Self { file })
    }
}

/// Who says to have it.
fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut pid));
    pid.trim().to_owned()
}

fn is_alive(pid: &str) -> bool {
    let pid = pid.parse().ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid).is_ok())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::time::Duration;

    use super::{Lock, LockError};

    #[test]
    fn what_a_killed_owner_still_holds_is_waited_for() {
        let root = tempfile::tempdir().expect("temporary directory");
        let mut first = Lock::take(root.path()).expect("free");
        // A process that has ended: its number stays in the file.
        let mut ended = std::process::Command::new("true").spawn().expect("true");
        ended.wait().expect("reaped");
        first.file.set_len(0).expect("emptied");
        first.file.rewind().expect("rewound");
        write!(first.file, "{}", ended.id()).expect("written");
        let last_of_it = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(first);
        });
        Lock::take(root.path()).expect("free when the last of it is gone");
        last_of_it.join().expect("no panic");
    }

    #[test]
    fn a_directory_has_one_owner_who_is_named() {
        let root = tempfile::tempdir().expect("temporary directory");
        let first = Lock::take(root.path()).expect("free");
        let error = Lock::take(root.path()).expect_err("held");
        let pid = std::process::id().to_string();
        assert!(matches!(&error, LockError::Held { pid: holder, .. } if *holder == pid));
        drop(first);
        Lock::take(root.path()).expect("free again");
    }
}
