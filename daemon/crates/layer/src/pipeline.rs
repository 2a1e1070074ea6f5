//! Reading a layer on one thread while another applies it.
//!
//! The reading thread decompresses and hashes, the applying one parses and writes files; a bounded
//! channel of large pieces lies between them, so that memory stays bounded whoever is slower.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use gantry_ids::Digest;
use lzma_rust2::XzReader;
use sha2::Digest as _;

use crate::DiffId;

/// Bytes of one piece: large enough that handing it over costs nothing, small enough for the cache.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that may wait for the applying thread.
const PIECES_WAITING: usize = 16;
/// The most memory an xz stream may ask for: `xz -9` asks for 65 MiB.
const XZ_MEMORY_KIB: u32 = 96 << 10;

/// How a layer was compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of one or many members.
    Gzip,
    /// zstd, of one or many frames.
    Zstd,
    /// xz, of one or many streams.
    Xz,
    /// bzip2, of one or many streams.
    Bzip2,
}

/// Why the source could not be read as a layer.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The source failed, or the compressed data is broken.
    #[error("read the layer")]
    Read(#[source] io::Error),
}

/// What the reading thread knows at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceRead {
    /// The digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Bytes of the uncompressed tar.
    pub tar_bytes: u64,
    /// How it was compressed.
    pub compression: Compression,
}

impl Compression {
    /// Tells by the first bytes.
    const fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame: zstd:chunked puts them after the data, others may begin with one.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }
}

/// A reader that gives the uncompressed bytes of a layer.
///
/// # Errors
/// [`SourceError`] if the first bytes cannot be read.
pub fn decompress<'a>(
    source: impl Read + Send + 'a,
) -> Result<(Compression, Box<dyn Read + Send + 'a>), SourceError> {
    let mut source = BufReader::with_capacity(PIECE_BYTES, source);
    let start = source.fill_buf().map_err(SourceError::Read)?;
    let compression = Compression::detect(start);
    let reader: Box<dyn Read + Send + 'a> = match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Zstd => {
            Box::new(zstd::Decoder::with_buffer(source).map_err(SourceError::Read)?)
        }
        Compression::Xz => Box::new(XzReader::new_mem_limit(source, true, XZ_MEMORY_KIB)),
        // A block is at most 900 kB: what a stream asks for needs no limit.
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(source)),
    };
    Ok((compression, reader))
}

/// Runs `apply` on this thread over the uncompressed bytes of `source`, which another thread reads
/// and hashes. When `apply` ends early the reading thread ends too.
///
/// # Errors
/// The outer error is the source's; `apply` sees it as an I/O error and its answer is dropped then.
pub(crate) fn run<A, E>(
    source: &mut (dyn Read + Send),
    apply: impl FnOnce(&mut Pieces) -> Result<A, E>,
) -> Result<(SourceRead, Result<A, E>), SourceError> {
    let (sender, receiver) = sync_channel(PIECES_WAITING);
    let (back, spare) = sync_channel(PIECES_WAITING + 2);
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new()
            .name("layer-read".to_owned())
            .spawn_scoped(scope, move || read(source, &sender, &spare))
            .map_err(SourceError::Read)?;
        let mut pieces = Pieces {
            receiver,
            back,
            piece: Vec::new(),
            used: 0,
        };
        let applied = apply(&mut pieces);
        drop(pieces);
        let read = reading.join().expect("the reading thread does not panic")?;
        Ok((read, applied))
    })
}

fn read(
    source: &mut (dyn Read + Send),
    sender: &SyncSender<Vec<u8>>,
    spare: &Receiver<Vec<u8>>,
) -> Result<SourceRead, SourceError> {
    let (compression, mut reader) = decompress(source)?;
    let mut hash = sha2::Sha256::new();
    let mut tar_bytes = 0;
    loop {
        let mut piece = spare.try_recv().unwrap_or_default();
        fill(&mut *reader, &mut piece).map_err(SourceError::Read)?;
        if piece.is_empty() {
            break;
        }
        hash.update(&piece);
        tar_bytes += piece.len() as u64;
        if sender.send(piece).is_err() {
            // The applying side gave up; its error is the one that counts.
            break;
        }
    }
    let diff_id = DiffId::new(Digest::from_bytes(hash.finalize().into()));
    Ok(SourceRead {
        diff_id,
        tar_bytes,
        compression,
    })
}

/// Reads until the piece is full or the source ends.
fn fill(reader: &mut dyn Read, piece: &mut Vec<u8>) -> io::Result<()> {
    piece.resize(PIECE_BYTES, 0);
    let mut filled = 0;
    while filled < PIECE_BYTES {
        match reader.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    piece.truncate(filled);
    Ok(())
}

/// The applying thread's end of the channel.
#[derive(Debug)]
pub(crate) struct Pieces {
    receiver: Receiver<Vec<u8>>,
    back: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    used: usize,
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.piece.len() {
            let old = std::mem::take(&mut self.piece);
            // Given back to be filled again; a full or closed channel only means a new allocation.
            let _ = self.back.try_send(old);
            // A closed channel is the end; whether a good one, the reading thread says.
            self.piece = self.receiver.recv().unwrap_or_default();
            self.used = 0;
        }
        Ok(&self.piece[self.used..])
    }

    fn consume(&mut self, len: usize) {
        self.used = (self.used + len).min(self.piece.len());
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let len = piece.len().min(buffer.len());
        buffer[..len].copy_from_slice(&piece[..len]);
        self.consume(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn through(source: &[u8]) -> Result<(SourceRead, Vec<u8>), SourceError> {
        let (read, bytes) = run(&mut &*source, |pieces| {
            let mut bytes = Vec::new();
            pieces.read_to_end(&mut bytes).map(|_| bytes)
        })?;
        Ok((read, bytes.unwrap()))
    }

    fn sample() -> Vec<u8> {
        (0..300_000_u32)
            .flat_map(|number| (number / 7).to_le_bytes())
            .collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_compression_gives_the_same_bytes_and_digest() {
        let bytes = sample();
        let diff_id = DiffId::new(Digest::of(&bytes));
        let (head, tail) = bytes.split_at(500_001);
        let sources = [
            (Compression::None, bytes.clone()),
            (Compression::Gzip, gzip(&bytes)),
            (Compression::Gzip, [gzip(head), gzip(tail)].concat()),
            (Compression::Zstd, zstd::encode_all(&*bytes, 1).unwrap()),
            (
                Compression::Zstd,
                [
                    zstd::encode_all(head, 1).unwrap(),
                    zstd::encode_all(tail, 1).unwrap(),
                ]
                .concat(),
            ),
            (Compression::Bzip2, bzip2(&bytes)),
            (Compression::Bzip2, [bzip2(head), bzip2(tail)].concat()),
        ];
        for (compression, source) in sources {
            let (read, out) = through(&source).unwrap();
            assert_eq!(
                read,
                SourceRead {
                    diff_id,
                    tar_bytes: bytes.len() as u64,
                    compression
                }
            );
            assert!(out == bytes);
        }
    }

    #[test]
    fn truncated_and_unknown_compressions_are_errors() {
        let bytes = sample();
        let zipped = gzip(&bytes);
        assert!(matches!(
            through(&zipped[..zipped.len() / 2]),
            Err(SourceError::Read(_))
        ));
        let frames = zstd::encode_all(&*bytes, 1).unwrap();
        assert!(matches!(
            through(&frames[..frames.len() / 2]),
            Err(SourceError::Read(_))
        ));
        let (packed, blocks) = (xz(&bytes, "-1"), bzip2(&bytes));
        for broken in [
            &packed[..packed.len() / 2],
            b"\xfd7zXZ\0rest",
            &blocks[..blocks.len() / 2],
            b"BZh9rest",
        ] {
            assert!(matches!(through(broken), Err(SourceError::Read(_))));
        }
    }

    /// Packed by the original.
    fn xz(bytes: &[u8], level: &str) -> Vec<u8> {
        let mut packing = std::process::Command::new("xz")
            .args([level, "-c"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut to = packing.stdin.take().unwrap();
        let bytes = bytes.to_vec();
        let writing = std::thread::spawn(move || to.write_all(&bytes));
        let packed = packing.wait_with_output().unwrap().stdout;
        writing.join().unwrap().unwrap();
        packed
    }

    #[test]
    fn xz_is_unpacked_within_its_memory() {
        let bytes = sample();
        for level in ["-0", "-6e", "-9"] {
            let twice = [xz(&bytes, level), xz(&bytes, level)].concat();
            let (read, out) = through(&twice).unwrap();
            assert_eq!(read.compression, Compression::Xz);
            assert!(out == bytes.repeat(2), "{level}");
        }
        let greedy = xz(&bytes, "--lzma2=dict=128MiB");
        assert!(matches!(through(&greedy), Err(SourceError::Read(_))));
    }

    #[test]
    fn an_applier_that_gives_up_ends_the_reader() {
        let mut endless = io::repeat(7);
        let (_, applied) = run(&mut endless, |_| Err::<(), _>("enough")).unwrap();
        assert_eq!(applied, Err("enough"));
    }
}
