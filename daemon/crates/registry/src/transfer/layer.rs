//! A blob's bytes for the layer store, hashed on their way.

use std::io::{self, Read};

use gantry_ids::Digest;
use sha2::Digest as _;

use super::arrival::Arriving;
use super::job::Work;

/// The blob as a reader, for a thread of its own.
#[derive(Debug)]
pub(super) struct BlobReader {
    source: Arriving,
    hash: sha2::Sha256,
    passed: u64,
    work: Work,
}

impl BlobReader {
    pub(super) fn new(source: Arriving, work: Work) -> Self {
        Self {
            source,
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
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.hash.update(&buffer[..length]);
        self.passed += length as u64;
        self.work.unpacked(self.passed);
        Ok(length)
    }
}
