//! redb's file, with blocks set aside.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend, StorageError};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Bytes kept for when the disk is full: a few doublings of a small database.
const RESERVE_BYTES: u64 = 1 << 20;

/// A file that grows by blocks that are really there.
#[derive(Debug)]
pub(crate) struct Reserved {
    inner: FileBackend,
    /// The same file, to set blocks aside.
    file: File,
    reserve: PathBuf,
}

/// The file beside a database that holds its reserve.
pub(crate) fn reserve_of(database: &Path) -> PathBuf {
    database.with_extension("reserve")
}

impl Reserved {
    pub(crate) fn new(file: File, path: &Path) -> Result<Self, DatabaseError> {
        let other = file.try_clone().map_err(StorageError::Io)?;
        let reserved = Self {
            inner: FileBackend::new(file)?,
            file: other,
            reserve: reserve_of(path),
        };
        reserved.refill();
        Ok(reserved)
    }

    /// Makes the reserve, where there is room for it again.
    fn refill(&self) {
        if self.reserve.exists() {
            return;
        }
        let made = File::create(&self.reserve).and_then(|file| set_aside(&file, 0, RESERVE_BYTES));
        if made.is_err() {
            // Not a part of one: it would look like all of it.
            drop(std::fs::remove_file(&self.reserve));
        }
    }

    /// Tries something, and once more without the reserve if the disk is full.
    fn with_reserve<T>(&self, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match attempt() {
            Err(error) if is_full(&error) && std::fs::remove_file(&self.reserve).is_ok() => {
                attempt()
            }
            other => other,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Sets blocks aside; on file systems that cannot, nothing is done.
fn set_aside(file: &File, from: u64, len: u64) -> io::Result<()> {
    loop {
        return match fallocate(file, FallocateFlags::empty(), from, len) {
            Err(Errno::INTR) => continue,
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        };
    }
}

impl StorageBackend for Reserved {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let now = self.inner.len()?;
        if len > now {
            self.with_reserve(|| set_aside(&self.file, now, len - now))?;
        }
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()?;
        self.refill();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with_reserve(|| self.inner.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
