//! A blob's bytes for the layer store: what is here already, then what arrives, all of it hashed.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};
use gantry_ids::Digest;
use gantry_image::Partial;
use sha2::Digest as _;
use tokio::sync::mpsc;

use super::job::Work;

/// What the downloading side sends.
#[derive(Debug)]
pub(super) enum Feed {
    /// The next bytes.
    Bytes(Bytes),
    /// There are no more. A channel that closes without this word was cut off.
    End,
}

/// The blob as a reader, for a thread of its own.
#[derive(Debug)]
pub(super) struct BlobReader {
    partial: Partial,
    /// Bytes of the partial file that were not read yet.
    replay: u64,
    feed: mpsc::Receiver<Feed>,
    current: Bytes,
    ended: bool,
    hash: sha2::Sha256,
    passed: u64,
    work: Work,
}

impl BlobReader {
    pub(super) fn new(partial: Partial, feed: mpsc::Receiver<Feed>, work: Work) -> Self {
        Self {
            replay: partial.length(),
            partial,
            feed,
            current: Bytes::new(),
            ended: false,
            hash: sha2::Sha256::new(),
            passed: 0,
            work,
        }
    }

    /// Reads what the layer store left, and says what the blob's digest and length are.
    pub(super) fn finish(mut self) -> io::Result<(Digest, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((Digest::from_bytes(self.hash.finalize().into()), self.passed))
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.passed += bytes.len() as u64;
        self.work.unpacked(self.passed);
    }

    /// The next piece from the network, which is also kept.
    fn receive(&mut self) -> io::Result<()> {
        match self.feed.blocking_recv() {
            Some(Feed::Bytes(bytes)) => {
                self.partial.write_all(&bytes)?;
                self.current = bytes;
            }
            Some(Feed::End) => self.ended = true,
            None => {
                let cut = "the download was cut off";
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, cut));
            }
        }
        Ok(())
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.replay > 0 {
            let most = usize::try_from(self.replay)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let length = self.partial.read(&mut buffer[..most])?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.replay -= length as u64;
            self.pass(&buffer[..length]);
            return Ok(length);
        }
        while self.current.is_empty() && !self.ended {
            self.receive()?;
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        self.pass(&buffer[..length]);
        Ok(length)
    }
}
