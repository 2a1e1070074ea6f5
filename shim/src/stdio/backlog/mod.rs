//! What an attached client has not read yet: first in memory, then in an unlinked file. Bytes come
//! out in the order they went in.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// How much waits in memory, in bytes.
const MEMORY_LEN: usize = 256 * 1024;
/// How much may wait altogether, in bytes; past that the process is held back.
pub(super) const LIMIT: u64 = 256 * 1024 * 1024;
/// How much is read back from the file at a time.
const REFILL_LEN: usize = 128 * 1024;

/// The queue of one client.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    memory: VecDeque<u8>,
    spool: Option<Spool>,
    /// The file cannot be made or has no room: memory is all there is.
    memory_only: bool,
}

/// Bytes `read..written` of the file wait; they are younger than those in memory.
#[derive(Debug)]
struct Spool {
    file: File,
    read: u64,
    written: u64,
}

impl Backlog {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Whether so much waits that the process should be held back.
    pub(super) fn is_full(&self) -> bool {
        match &self.spool {
            Some(spool) => spool.written - spool.read >= LIMIT,
            None => self.memory_only && self.memory.len() >= MEMORY_LEN,
        }
    }

    /// Queues `bytes`; `folder` is where a file is made if it must be.
    ///
    /// # Errors
    /// The file took only a part, so the order would be lost: the client cannot be served any more.
    pub(super) fn push(&mut self, bytes: &[u8], folder: &Path) -> io::Result<()> {
        if let Some(spool) = &mut self.spool {
            return spool.push(bytes);
        }
        if self.memory.len() + bytes.len() > MEMORY_LEN && !self.memory_only {
            if let Ok(mut spool) = Spool::create(folder) {
                spool.push(bytes)?;
                self.spool = Some(spool);
                return Ok(());
            }
            self.memory_only = true;
        }
        self.memory.extend(bytes);
        Ok(())
    }

    /// What is to be sent next; empty only if nothing waits.
    pub(super) fn front(&self) -> &[u8] {
        let (front, back) = self.memory.as_slices();
        if front.is_empty() { back } else { front }
    }

    /// Forgets the first `len` bytes of [`Backlog::front`].
    ///
    /// # Errors
    /// The file could not be read back.
    pub(super) fn consume(&mut self, len: usize) -> io::Result<()> {
        self.memory.drain(..len);
        if !self.memory.is_empty() {
            return Ok(());
        }
        self.memory = VecDeque::new();
        if let Some(spool) = &mut self.spool {
            self.memory = spool.pop(REFILL_LEN)?.into();
            if spool.read == spool.written {
                self.spool = None;
            }
        }
        Ok(())
    }
}

impl Spool {
    fn create(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Self {
            file: File::from(file),
            read: 0,
            written: 0,
        })
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn pop(&mut self, max: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.written - self.read).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(max)];
        self.file.read_exact_at(&mut bytes, self.read)?;
        self.read += bytes.len() as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
