//! Calling off what reads.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A wish to stop, shared with whoever works. Work that has begun to commit ends as if it had come
/// too late.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Wishes it.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was wished.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A reader that fails as soon as it was wished.
    pub fn watch<R: Read>(&self, inner: R) -> Stoppable<R> {
        let stop = self.clone();
        Stoppable { inner, stop }
    }
}

/// A reader that can be called off.
#[derive(Debug)]
pub struct Stoppable<R> {
    inner: R,
    stop: Stop,
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        // After the reading: it may have waited long, and its end is believed to be a good one.
        if self.stop.is_stopped() {
            let gone = io::Error::new(io::ErrorKind::ConnectionAborted, "context canceled");
            return Err(gone);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_ends_with_an_error_when_it_is_called_off() {
        let stop = Stop::default();
        let mut reader = stop.watch(io::repeat(1).take(64));
        assert_eq!(reader.read(&mut [0; 32]).unwrap(), 32);
        stop.stop();
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "context canceled");
    }
}
