//! The recipe of a layer: its tar without the files' contents.
//!
//! Together with the unpacked files it makes the layer's exact tar again, so that no second copy of
//! the contents is kept (`docs/adr/0005-kept-of-a-layer.md` has the costs). A recipe is one zstd
//! frame over a sequence of records:
//!
//! ```text
//! magic   "gantry recipe 1\n"
//! 0x00    length, bytes            the next bytes of the tar, as they are
//! 0x01    size, length, path       the content of the file at path, of that size
//! 0x02    number, length, path     what lay at path until now was moved to kept/<number>
//! 0x03    count, length, path,     parts of the file at path, one after the other: count times
//!         (offset, size)…          where in the file, and how many bytes
//! 0xff    32 bytes                 the end; the tar's SHA-256
//! ```
//!
//! Lengths, sizes and numbers are LEB128. Paths are relative to the layer's root and have no
//! symbolic link in them. A record of a move stands where the move happened: contents before it are
//! found in `kept/`, contents after it at the path.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};

use gantry_ids::Digest;

use crate::tar::{Segment, Tape};

const MAGIC: &[u8; 16] = b"gantry recipe 1\n";
/// zstd's fastest level: headers shrink to a few per cent at any.
const LEVEL: i32 = 1;
const RAW: u8 = 0x00;
const CONTENT: u8 = 0x01;
const MOVED: u8 = 0x02;
const SEGMENTS: u8 = 0x03;
const END: u8 = 0xff;
/// Longer than any record the writer makes; what is longer is damage.
const PATH_MAX_BYTES: u64 = 1 << 16;
const RAW_MAX_BYTES: u64 = 1 << 24;
const SEGMENTS_MAX: u64 = 1 << 24;

/// Writes a recipe while a layer is applied.
pub(crate) struct RecipeWriter {
    encoder: zstd::Encoder<'static, BufWriter<File>>,
    /// Raw bytes not written yet: runs of blocks become one record.
    raw: Vec<u8>,
}

impl RecipeWriter {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
        encoder.write_all(MAGIC)?;
        Ok(Self {
            encoder,
            raw: Vec::with_capacity(RAW_BUFFER),
        })
    }

    /// The content of `path` stands here.
    pub(crate) fn content(&mut self, path: &[u8], size: u64) -> io::Result<()> {
        self.record(CONTENT, size, path)
    }

    /// The parts of `path` that are no holes stand here.
    pub(crate) fn segments(&mut self, path: &[u8], segments: &[Segment]) -> io::Result<()> {
        self.record(SEGMENTS, segments.len() as u64, path)?;
        segments.iter().try_for_each(|segment| {
            write_number(&mut self.encoder, segment.offset)?;
            write_number(&mut self.encoder, segment.len)
        })
    }

    /// What lay at `path` is in `kept/<number>` from now on.
    pub(crate) fn moved(&mut self, path: &[u8], number: u64) -> io::Result<()> {
        self.record(MOVED, number, path)
    }

    /// Ends the recipe of the tar with this digest and gives the file back, not synced.
    pub(crate) fn finish(mut self, tar: &Digest) -> io::Result<File> {
        self.flush_raw()?;
        self.encoder.write_all(&[END])?;
        self.encoder.write_all(tar.as_bytes())?;
        self.encoder
            .finish()?
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
    }

    fn record(&mut self, tag: u8, number: u64, path: &[u8]) -> io::Result<()> {
        self.flush_raw()?;
        self.encoder.write_all(&[tag])?;
        write_number(&mut self.encoder, number)?;
        write_number(&mut self.encoder, path.len() as u64)?;
        self.encoder.write_all(path)
    }

    fn flush_raw(&mut self) -> io::Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        self.encoder.write_all(&[RAW])?;
        write_number(&mut self.encoder, self.raw.len() as u64)?;
        self.encoder.write_all(&self.raw)?;
        self.raw.clear();
        Ok(())
    }
}

const RAW_BUFFER: usize = 64 << 10;

impl std::fmt::Debug for RecipeWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecipeWriter").finish_non_exhaustive()
    }
}

impl Tape for RecipeWriter {
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(RAW_BUFFER) {
            if self.raw.len() + piece.len() > RAW_BUFFER {
                self.flush_raw()?;
            }
            self.raw.extend_from_slice(piece);
        }
        Ok(())
    }
}

/// One record of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Raw(Vec<u8>),
    Content {
        size: u64,
        path: Vec<u8>,
    },
    Segments {
        path: Vec<u8>,
        segments: Vec<Segment>,
    },
    Moved {
        number: u64,
        path: Vec<u8>,
    },
    End(Digest),
}

/// Reads a recipe back.
pub(crate) struct RecipeReader {
    decoder: zstd::Decoder<'static, BufReader<File>>,
}

impl RecipeReader {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let mut decoder = zstd::Decoder::new(file)?;
        let mut magic = [0; MAGIC.len()];
        decoder.read_exact(&mut magic)?;
        if &magic == MAGIC {
            Ok(Self { decoder })
        } else {
            Err(damaged())
        }
    }

    /// The next record; the last is [`Record::End`].
    pub(crate) fn next_record(&mut self) -> io::Result<Record> {
        let mut tag = [0];
        self.decoder.read_exact(&mut tag)?;
        match tag[0] {
            RAW => self.bytes(RAW_MAX_BYTES).map(Record::Raw),
            CONTENT => {
                let size = read_number(&mut self.decoder)?;
                Ok(Record::Content {
                    size,
                    path: self.bytes(PATH_MAX_BYTES)?,
                })
            }
            MOVED => {
                let number = read_number(&mut self.decoder)?;
                Ok(Record::Moved {
                    number,
                    path: self.bytes(PATH_MAX_BYTES)?,
                })
            }
            SEGMENTS => self.segments(),
            END => {
                let mut digest = [0; 32];
                self.decoder.read_exact(&mut digest)?;
                Ok(Record::End(Digest::from_bytes(digest)))
            }
            _ => Err(damaged()),
        }
    }

    fn segments(&mut self) -> io::Result<Record> {
        let count = read_number(&mut self.decoder)?;
        if count > SEGMENTS_MAX {
            return Err(damaged());
        }
        let path = self.bytes(PATH_MAX_BYTES)?;
        let mut segments = Vec::new();
        for _ in 0..count {
            let offset = read_number(&mut self.decoder)?;
            let len = read_number(&mut self.decoder)?;
            offset.checked_add(len).ok_or_else(damaged)?;
            segments.push(Segment { offset, len });
        }
        Ok(Record::Segments { path, segments })
    }

    fn bytes(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let length = read_number(&mut self.decoder)?;
        if length > most {
            return Err(damaged());
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| damaged())?];
        self.decoder.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the layer's recipe is damaged")
}

fn write_number(to: &mut impl Write, mut number: u64) -> io::Result<()> {
    let mut bytes = [0; 10];
    let mut len = 0;
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        bytes[len] = if number == 0 { low } else { low | 0x80 };
        len += 1;
        if number == 0 {
            return to.write_all(&bytes[..len]);
        }
    }
}

fn read_number(from: &mut impl Read) -> io::Result<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        let bits = u64::from(byte[0] & 0x7f);
        number |= bits
            .checked_shl(shift)
            .filter(|up| up >> shift == bits)
            .ok_or_else(damaged)?;
        if byte[0] & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = RecipeWriter::new(file.try_clone().unwrap()).unwrap();
        writer.raw(&[1; 700]).unwrap();
        writer.raw(&[2; 100_000]).unwrap();
        writer.content(b"a/b", 1 << 40).unwrap();
        let segments = vec![
            Segment {
                offset: 7,
                len: 1 << 33,
            },
            Segment {
                offset: 1 << 40,
                len: 1,
            },
        ];
        writer.segments(b"s", &segments).unwrap();
        writer.moved(b"a", 3).unwrap();
        let digest = Digest::of(b"tar");
        let mut file = writer.finish(&digest).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let mut reader = RecipeReader::new(file).unwrap();
        let mut raw = Vec::new();
        let last = loop {
            match reader.next_record().unwrap() {
                Record::Raw(bytes) => raw.extend(bytes),
                other => break other,
            }
        };
        assert!(raw == [vec![1; 700], vec![2; 100_000]].concat());
        assert_eq!(
            last,
            Record::Content {
                size: 1 << 40,
                path: b"a/b".to_vec()
            }
        );
        let path = b"s".to_vec();
        assert_eq!(
            reader.next_record().unwrap(),
            Record::Segments { path, segments }
        );
        let moved = Record::Moved {
            number: 3,
            path: b"a".to_vec(),
        };
        assert_eq!(reader.next_record().unwrap(), moved);
        assert_eq!(reader.next_record().unwrap(), Record::End(digest));
    }

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            write_number(&mut bytes, number).unwrap();
            assert_eq!(read_number(&mut &*bytes).unwrap(), number);
        }
        assert!(read_number(&mut &[0xff; 11][..]).is_err());
    }
}
