//! Reading tars without losing a byte.
//!
//! Owns the format: ustar, PAX (POSIX.1-2017 pax, "pax Interchange Format"), GNU tar's long
//! names and all formats of its sparse files, with limits on everything that is read into memory. What is not the content of an entry is
//! handed to a [`Tape`] byte by byte, so that a layer's exact tar can be made again. Deliberately
//! not here: what an entry means on a file system (`extract`).

mod content;
mod entry;
mod field;
mod pax;
mod sparse;

use std::io::{self, BufRead};

use content::Cursor;
pub use entry::{Entry, Kind, Timestamp};
use field::Block;
pub use sparse::{Records as SparseRecords, Segment, SparseMap};

use crate::Limits;

pub(crate) const BLOCK: usize = 512;

/// Why a tar could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The source failed.
    #[error("read the tar")]
    Read(#[source] io::Error),
    /// What was read could not be recorded.
    #[error("record the tar's headers")]
    Tape(#[source] io::Error),
    /// The tar ends within an entry.
    #[error("the tar is truncated")]
    Truncated,
    /// A header's checksum is wrong: this is no tar, or a broken one.
    #[error("invalid tar header")]
    Checksum,
    /// A header's field is no number, or out of range.
    #[error("invalid tar header: bad {0}")]
    Number(&'static str),
    /// The records of an extended header are malformed.
    #[error("invalid pax header")]
    Pax,
    /// A name has a NUL or is empty where it may not be.
    #[error("invalid tar header: bad {0}")]
    Name(&'static str),
    /// An entry of a type that no layer has.
    #[error("unhandled tar header type {0:?}")]
    Type(char),
    /// The map of a sparse entry is malformed.
    #[error("invalid sparse entry: {0}")]
    Sparse(&'static str),
    /// Too much.
    #[error("the {what} is over the limit of {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// Where everything goes that is not the content of a file.
pub trait Tape {
    /// The next bytes of the tar, as they are.
    ///
    /// # Errors
    /// If they cannot be kept.
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Forgets everything.
impl Tape for () {
    fn raw(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// A tar, entry by entry.
#[derive(Debug)]
pub struct TarReader<R, T> {
    source: R,
    tape: T,
    limits: Limits,
    /// Content bytes of the current entry that were not read yet.
    content_left: u64,
    /// Where in its file the next of them belongs.
    cursor: Cursor,
    /// Bytes that fill up the current entry's last block.
    padding_left: usize,
    read_bytes: u64,
    entries: u64,
    ended: bool,
}

impl<R: BufRead, T: Tape> TarReader<R, T> {
    /// Reads `source`, keeping what is not content on `tape`.
    pub const fn new(source: R, tape: T, limits: Limits) -> Self {
        Self {
            source,
            tape,
            limits,
            content_left: 0,
            cursor: Cursor::NOWHERE,
            padding_left: 0,
            read_bytes: 0,
            entries: 0,
            ended: false,
        }
    }

    /// The tape.
    pub const fn tape(&mut self) -> &mut T {
        &mut self.tape
    }

    /// Bytes read so far: after [`Self::next_entry`], where the entry's content begins. Always whole
    /// blocks then.
    pub(crate) const fn position(&self) -> u64 {
        self.read_bytes
    }

    /// Gives the source and the tape back.
    pub fn into_parts(self) -> (R, T) {
        (self.source, self.tape)
    }

    /// The next entry; content of the current one that was not read goes to the tape.
    ///
    /// # Errors
    /// [`TarError`] for anything that is not well-formed or is over a limit.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        self.finish_entry()?;
        let mut extended = pax::Extended::default();
        while !self.ended {
            let Some(block) = self.read_header()? else {
                self.ended = true;
                break;
            };
            self.count_entry()?;
            match block.type_flag() {
                b'x' => pax::parse(&self.read_extended(&block)?, &mut extended)?,
                b'g' => drop(self.read_extended(&block)?),
                b'L' => extended.path = Some(field::until_nul(&self.read_extended(&block)?)),
                b'K' => extended.link = Some(field::until_nul(&self.read_extended(&block)?)),
                _ => return self.begin(&block, extended).map(Some),
            }
        }
        self.drain()?;
        Ok(None)
    }

    /// Begins an entry: its content comes next.
    fn begin(&mut self, block: &Block, mut extended: pax::Extended) -> Result<Entry, TarError> {
        let mut records = std::mem::take(&mut extended.sparse);
        if let Some(name) = records.name.take() {
            extended.path = Some(name);
        }
        let mut entry = entry::decode(block, extended, &self.limits)?;
        let found = if block.type_flag() == b'S' {
            Some(self.read_old_map(block)?)
        } else {
            records.find()?
        };
        self.set_content(entry.size);
        if let Some(found) = found {
            if entry.kind != Kind::File {
                return Err(TarError::Sparse("it is no file"));
            }
            let (numbers, size) = match found {
                sparse::Found::Whole(numbers, size) => (numbers, size),
                sparse::Found::InContent(size) => (self.read_new_map()?, size),
            };
            let sizes = (size, self.content_left);
            entry.segments = Some(sparse::segments(&numbers, sizes, self.limits.segments)?);
            entry.size = size;
        }
        self.cursor = Cursor::of(&entry);
        Ok(entry)
    }

    /// A sparse file's map in the old format, which goes on in blocks that no size counts.
    fn read_old_map(&mut self, block: &Block) -> Result<sparse::Found, TarError> {
        if !block.is_gnu() {
            return Err(TarError::Sparse("its header is not GNU tar's"));
        }
        let mut map = sparse::OldMap::of_header(block)?;
        while map.goes_on {
            if map.segments() > self.limits.segments {
                return Err(sparse::too_many(self.limits.segments));
            }
            map.go_on(&self.read_block()?.ok_or(TarError::Truncated)?)?;
        }
        let size = map.size;
        Ok(sparse::Found::Whole(map.into_numbers(), size))
    }

    /// A sparse file's map that stands in front of its content, in blocks of its own.
    fn read_new_map(&mut self) -> Result<Vec<u64>, TarError> {
        let mut map = sparse::NewMap::default();
        loop {
            let left = self.content_left.checked_sub(BLOCK as u64);
            self.content_left = left.ok_or(TarError::Sparse("its map is cut off"))?;
            let block = self.read_block()?.ok_or(TarError::Truncated)?;
            if map.take(block.bytes(), self.limits.segments)? {
                return Ok(map.into_numbers());
            }
        }
    }

    fn count_entry(&mut self) -> Result<(), TarError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(TarError::Limit {
                what: "number of entries",
                limit: self.limits.entries,
            });
        }
        Ok(())
    }

    fn set_content(&mut self, size: u64) {
        self.content_left = size;
        let over = usize::try_from(size % BLOCK as u64).expect("less than a block");
        self.padding_left = if over == 0 { 0 } else { BLOCK - over };
    }

    /// Skips to the next header, onto the tape.
    fn finish_entry(&mut self) -> Result<(), TarError> {
        while self.content_left > 0 {
            let most = usize::try_from(self.content_left).unwrap_or(usize::MAX);
            let len = self.copy_to_tape(most)?;
            self.content_left -= len as u64;
        }
        while self.padding_left > 0 {
            self.padding_left -= self.copy_to_tape(self.padding_left)?;
        }
        Ok(())
    }

    fn copy_to_tape(&mut self, most: usize) -> Result<usize, TarError> {
        let piece = fill(&mut self.source)?;
        let piece = &piece[..piece.len().min(most)];
        self.tape.raw(piece).map_err(TarError::Tape)?;
        let len = piece.len();
        self.source.consume(len);
        count(&mut self.read_bytes, len, &self.limits)?;
        Ok(len)
    }

    /// The next header block; none at the end of the tar: two blocks of zeros, or the source's end.
    fn read_header(&mut self) -> Result<Option<Block>, TarError> {
        let Some(block) = self.read_block()? else {
            return Ok(None);
        };
        if !block.is_zero() {
            block.verify()?;
            return Ok(Some(block));
        }
        match self.read_block()? {
            Some(second) if !second.is_zero() => Err(TarError::Checksum),
            _ => Ok(None),
        }
    }

    fn read_block(&mut self) -> Result<Option<Block>, TarError> {
        let mut bytes = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let piece = self.source.fill_buf().map_err(TarError::Read)?;
            if piece.is_empty() {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(TarError::Truncated)
                };
            }
            let len = piece.len().min(BLOCK - filled);
            bytes[filled..filled + len].copy_from_slice(&piece[..len]);
            filled += len;
            self.source.consume(len);
        }
        count(&mut self.read_bytes, BLOCK, &self.limits)?;
        self.tape.raw(&bytes).map_err(TarError::Tape)?;
        Ok(Some(Block::new(bytes)))
    }

    /// Reads the content of an extended header, which stays on the tape too.
    fn read_extended(&mut self, block: &Block) -> Result<Vec<u8>, TarError> {
        let size = block.size()?;
        let limit = self.limits.extended_bytes;
        if size > limit {
            return Err(TarError::Limit {
                what: "extended header",
                limit,
            });
        }
        self.set_content(size);
        let mut content = Vec::new();
        while self.content_left > 0 {
            let piece = fill(&mut self.source)?;
            let most = usize::try_from(self.content_left).unwrap_or(usize::MAX);
            let piece = &piece[..piece.len().min(most)];
            content.extend_from_slice(piece);
            self.tape.raw(piece).map_err(TarError::Tape)?;
            let len = piece.len();
            self.source.consume(len);
            self.content_left -= len as u64;
            count(&mut self.read_bytes, len, &self.limits)?;
        }
        self.finish_entry()?;
        Ok(content)
    }

    /// Reads what follows the end, which belongs to the tar's digest.
    fn drain(&mut self) -> Result<(), TarError> {
        loop {
            let piece = self.source.fill_buf().map_err(TarError::Read)?;
            if piece.is_empty() {
                return Ok(());
            }
            self.tape.raw(piece).map_err(TarError::Tape)?;
            let len = piece.len();
            self.source.consume(len);
            count(&mut self.read_bytes, len, &self.limits)?;
        }
    }
}

/// The next bytes; an error at the source's end.
fn fill<R: BufRead>(source: &mut R) -> Result<&[u8], TarError> {
    let piece = source.fill_buf().map_err(TarError::Read)?;
    if piece.is_empty() {
        Err(TarError::Truncated)
    } else {
        Ok(piece)
    }
}

fn count(read: &mut u64, len: usize, limits: &Limits) -> Result<(), TarError> {
    *read += len as u64;
    if *read > limits.tar_bytes {
        return Err(TarError::Limit {
            what: "tar's size",
            limit: limits.tar_bytes,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
