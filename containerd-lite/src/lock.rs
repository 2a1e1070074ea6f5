//! One supervisor per directory.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

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
    _file: File,
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
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let (directory, pid) = (directory.to_owned(), pid.trim().to_owned());
                return Err(LockError::Held { directory, pid });
            }
            Err(error) => return Err(failed(error.into())),
        }
        let told = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        told.map_err(failed)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::{Lock, LockError};

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
