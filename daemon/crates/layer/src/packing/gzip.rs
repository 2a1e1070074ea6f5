//! gzip by several threads.
//!
//! The stream is cut into blocks, each of which becomes a member of its own (RFC 1952, 2.2), so that they can be
//! compressed side by side and that a compressor can be used that wants a block whole: libdeflate takes half
//! the time of zlib for the same size (ADR 42). Where a block ends depends on the content alone: the same stream gives
//! the same bytes, however many threads there are. Deliberately not here: reading (`pipeline`).

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use libdeflater::{CompressionLvl, Compressor};

/// Bytes of one block: large enough that what starts anew costs half a per cent.
const BLOCK_BYTES: usize = 512 << 10;
/// Threads of one stream at most. Several layers are pushed at once, each with its own.
const THREADS: usize = 4;
/// Blocks that a thread has: one at work and one that waits.
const AHEAD: usize = 2;

/// A writer of gzip. What it was given is whole only after [`GzipBlocks::finish`].
#[derive(Debug)]
pub struct GzipBlocks<W: Write> {
    to: W,
    level: CompressionLvl,
    block: Vec<u8>,
    /// Blocks that were handed to threads.
    blocks: usize,
    threads: Vec<Thread>,
    /// Blocks that were handed over and are not written yet.
    waiting: usize,
    spare: Vec<Job>,
}

/// A thread that compresses one block after the other.
#[derive(Debug)]
struct Thread {
    /// Gone when no more blocks come.
    blocks: Option<SyncSender<Job>>,
    members: Receiver<Job>,
    handle: Option<JoinHandle<()>>,
}

/// A block, and the member that it becomes.
#[derive(Debug, Default)]
struct Job {
    block: Vec<u8>,
    member: Vec<u8>,
}

impl<W: Write> GzipBlocks<W> {
    /// Compresses to `to`; `level` is one of libdeflate's, 0 to 12.
    ///
    /// # Errors
    /// `InvalidInput` for another level.
    pub fn new(to: W, level: u32) -> io::Result<Self> {
        let level = i32::try_from(level).ok();
        let level = level.and_then(|level| CompressionLvl::new(level).ok());
        Ok(Self {
            to,
            level: level.ok_or(io::ErrorKind::InvalidInput)?,
            block: Vec::new(),
            blocks: 0,
            threads: Vec::new(),
            waiting: 0,
            spare: Vec::new(),
        })
    }

    /// Writes the end and gives the destination back.
    ///
    /// # Errors
    /// What the destination fails with, and a lack of threads.
    pub fn finish(mut self) -> io::Result<W> {
        if self.blocks == 0 {
            // A short stream is not worth a thread; an empty one has a member too.
            let mut job = self.job();
            job.compress(&mut Compressor::new(self.level));
            self.to.write_all(&job.member)?;
        } else if !self.block.is_empty() {
            self.hand_over()?;
        }
        while self.waiting > 0 {
            self.take()?;
        }
        Ok(self.to)
    }

    /// Gives the block to the thread whose turn it is.
    fn hand_over(&mut self) -> io::Result<()> {
        let limit = std::thread::available_parallelism().map_or(1, usize::from);
        let limit = limit.min(THREADS);
        if self.threads.len() < limit {
            self.threads.push(Thread::start(self.level)?);
        } else if self.waiting == AHEAD * limit {
            self.take()?;
        }
        let job = self.job();
        let thread = &self.threads[self.blocks % limit];
        let blocks = thread.blocks.as_ref().ok_or_else(ended)?;
        blocks.send(job).map_err(|_| ended())?;
        self.blocks += 1;
        self.waiting += 1;
        Ok(())
    }

    /// Writes the earliest member that is not written yet.
    fn take(&mut self) -> io::Result<()> {
        let earliest = (self.blocks - self.waiting) % self.threads.len();
        let members = &self.threads[earliest].members;
        let job = members.recv().map_err(|_| ended())?;
        self.waiting -= 1;
        self.to.write_all(&job.member)?;
        self.spare.push(job);
        Ok(())
    }

    /// The block as a job, and an empty one in its place.
    fn job(&mut self) -> Job {
        let mut job = self.spare.pop().unwrap_or_default();
        std::mem::swap(&mut job.block, &mut self.block);
        self.block.clear();
        job
    }
}

impl<W: Write> Write for GzipBlocks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK_BYTES {
            self.hand_over()?;
        }
        let len = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    /// Nothing: a block ends where it is full, so that the bytes do not depend on who flushes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Thread {
    fn start(level: CompressionLvl) -> io::Result<Self> {
        let (blocks, work) = sync_channel::<Job>(AHEAD);
        let (done, members) = sync_channel(AHEAD);
        let run = move || {
            let mut compressor = Compressor::new(level);
            while let Ok(mut job) = work.recv() {
                job.compress(&mut compressor);
                if done.send(job).is_err() {
                    break;
                }
            }
        };
        let handle = Builder::new().name("layer-gzip".to_owned()).spawn(run)?;
        Ok(Self {
            blocks: Some(blocks),
            members,
            handle: Some(handle),
        })
    }
}

impl Drop for Thread {
    /// Waits for at most [`AHEAD`] blocks, for whose members there is room.
    fn drop(&mut self) {
        self.blocks = None;
        // It does not panic.
        let _ = self.handle.take().map(JoinHandle::join);
    }
}

impl Job {
    fn compress(&mut self, compressor: &mut Compressor) {
        let bound = compressor.gzip_compress_bound(self.block.len());
        self.member.resize(bound, 0);
        let len = compressor.gzip_compress(&self.block, &mut self.member);
        let len = len.expect("there is room for the worst case");
        self.member.truncate(len);
    }
}

fn ended() -> io::Error {
    io::Error::other("a compressing thread ended early")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn packed(bytes: &[u8], piece: usize, level: u32) -> Vec<u8> {
        let mut writer = GzipBlocks::new(Vec::new(), level).unwrap();
        for piece in bytes.chunks(piece) {
            writer.write_all(piece).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn what_was_written_comes_back_in_order_whatever_its_length() {
        let all: Vec<u8> = (0..11 * BLOCK_BYTES as u64)
            .map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()[0])
            .collect();
        let lengths = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1];
        for len in lengths.into_iter().chain([all.len()]) {
            let whole = packed(&all[..len], all.len(), 1);
            assert!(whole == packed(&all[..len], 4097, 1), "{len}: as it came");
            let mut back = Vec::new();
            let mut reader = flate2::read::MultiGzDecoder::new(&*whole);
            reader.read_to_end(&mut back).unwrap();
            assert!(back == all[..len], "{len}");
        }
    }

    #[test]
    fn a_level_is_of_libdeflate() {
        assert!(GzipBlocks::new(Vec::new(), 13).is_err());
        let zeros = vec![0; 100_000];
        assert!(packed(&zeros, 100_000, 0).len() > 100_000);
        assert!(packed(&zeros, 100_000, 9).len() < 1000);
    }

    #[test]
    fn a_destination_that_fails_is_told_and_its_threads_end() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let left = self.0.checked_sub(bytes.len());
                self.0 = left.ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = GzipBlocks::new(Full(BLOCK_BYTES + 100), 0).unwrap();
        let written = writer.write_all(&vec![1; 64 * BLOCK_BYTES]);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
