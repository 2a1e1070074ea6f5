//! A blob on its way in, between who writes it down and who reads it.
//!
//! What arrives is written to the partial file at once, whatever the layer store is doing, so that a process
//! that is killed has lost next to nothing of what it received. Whoever unpacks reads the file behind it.
//!
//! ```text
//! network → channel → written down (a thread) → partial file → hashed and unpacked (a thread)
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gantry_image::Partial;
use tokio::sync::mpsc;

/// What the downloading side sends.
#[derive(Debug)]
pub(super) enum Feed {
    /// The next bytes.
    Bytes(Bytes),
    /// There are no more. A channel that closes without this word was cut off.
    End,
}

/// How far it is.
#[derive(Debug, Default)]
struct Progress {
    /// Bytes in the file.
    length: u64,
    /// Whether there will be no more, and why, if something failed.
    ended: Option<Result<(), Failure>>,
    /// Nobody reads any more.
    given_up: bool,
}

/// Why no more comes: the kernel's number keeps its words.
#[derive(Debug, Clone, Copy)]
enum Failure {
    Kernel(i32),
    Kind(io::ErrorKind),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::Kernel(number),
            None => Self::Kind(error.kind()),
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    progress: Mutex<Progress>,
    grown: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing end.
#[derive(Debug)]
pub(super) struct Keeper {
    partial: Partial,
    feed: mpsc::Receiver<Feed>,
    shared: Arc<Shared>,
}

/// The reading end.
#[derive(Debug)]
pub(super) struct Arriving {
    file: File,
    at: u64,
    shared: Arc<Shared>,
}

/// Both ends of a partial file that goes on with what is fed.
///
/// # Errors
/// The file cannot be opened twice.
pub(super) fn ends(partial: Partial, feed: mpsc::Receiver<Feed>) -> io::Result<(Keeper, Arriving)> {
    let shared = Arc::new(Shared::default());
    shared.lock().length = partial.length();
    let arriving = Arriving {
        file: partial.file()?,
        at: 0,
        shared: Arc::clone(&shared),
    };
    let keeper = Keeper {
        partial,
        feed,
        shared,
    };
    Ok((keeper, arriving))
}

impl Keeper {
    /// Writes down what comes, until the end, a failure, or nobody reads any more.
    pub(super) fn keep(mut self) {
        let end = self.keep_all();
        self.shared.lock().ended = Some(end.map_err(Failure::from));
        self.shared.grown.notify_all();
    }

    fn keep_all(&mut self) -> io::Result<()> {
        loop {
            match self.feed.blocking_recv() {
                Some(Feed::Bytes(bytes)) => self.partial.append(&bytes)?,
                Some(Feed::End) => return Ok(()),
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
            let mut progress = self.shared.lock();
            progress.length = self.partial.length();
            if progress.given_up {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            drop(progress);
            self.shared.grown.notify_all();
        }
    }
}

impl io::Read for Arriving {
    /// What is there; waits where nothing is and more may come. What was cut off is not read on: it ends
    /// nowhere.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut progress = self.shared.lock();
        loop {
            match progress.ended {
                Some(Err(Failure::Kind(io::ErrorKind::ConnectionAborted))) => {
                    let cut = "the download was cut off";
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, cut));
                }
                Some(Err(Failure::Kernel(number))) => {
                    return Err(io::Error::from_raw_os_error(number));
                }
                Some(Err(Failure::Kind(kind))) => return Err(kind.into()),
                Some(Ok(())) | None if progress.length > self.at => break,
                Some(Ok(())) => return Ok(0),
                None => {
                    let waited = self.shared.grown.wait(progress);
                    progress = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        let left = progress.length - self.at;
        drop(progress);
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let length = self.file.read_at(&mut buffer[..most], self.at)?;
        if length == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += length as u64;
        Ok(length)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.shared.lock().given_up = true;
    }
}

#[cfg(test)]
mod tests;
