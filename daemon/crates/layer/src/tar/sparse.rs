//! Sparse entries: which parts of a file a tar has, and where they belong.
//!
//! Four formats are in use (GNU tar's manual, "Storing Sparse Files"): the old one, a type of entry
//! of its own with the map in its header and in blocks after it, and three over PAX records, of which
//! the newest (1.0) has its map in front of the content. Every map is untrusted: segments stand in
//! order, do not overlap, lie within the file and are as long together as what the tar has.

use std::io::Read;
use std::sync::Arc;

use super::field::{Block, number};
use super::{BLOCK, TarError};

/// A part of a sparse file that has content; what lies between segments is a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Bytes from the file's start.
    pub offset: u64,
    /// Bytes of content.
    pub len: u64,
}

impl Segment {
    /// The first byte after it.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset + self.len
    }
}

/// What PAX records say of a sparse entry (`GNU.sparse.*`).
#[derive(Debug, Default)]
pub struct Records {
    /// What the file is called; the header's name is made up.
    pub name: Option<Vec<u8>>,
    size: Option<u64>,
    major: Option<u64>,
    minor: Option<u64>,
    /// Offsets and lengths in turns.
    map: Vec<u64>,
    any: bool,
}

/// A sparse file's size and its parts.
#[derive(Debug, Clone)]
pub struct SparseMap {
    /// Bytes, holes and all.
    pub size_bytes: u64,
    /// What has content, in order.
    pub segments: Arc<[Segment]>,
}

/// Where the map of an entry is.
#[derive(Debug)]
pub(super) enum Found {
    /// The whole map, and the file's size.
    Whole(Vec<u64>, u64),
    /// In front of the content, and the file's size.
    InContent(u64),
}

impl Records {
    /// Takes one record, without `GNU.sparse.` in front of its key.
    ///
    /// # Errors
    /// [`TarError::Sparse`] where its value is none.
    pub fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), TarError> {
        self.any = true;
        let number = |text: Option<&[u8]>| text.map(decimal).transpose();
        match key {
            b"name" => self.name = value.map(<[u8]>::to_vec),
            b"size" | b"realsize" => self.size = number(value)?,
            b"major" => self.major = number(value)?,
            b"minor" => self.minor = number(value)?,
            b"map" => {
                let texts = value.into_iter().flat_map(|map| map.split(|b| *b == b','));
                self.map = texts.map(decimal).collect::<Result<_, _>>()?;
            }
            b"offset" | b"numbytes" => {
                let is_offset = key == b"offset";
                if is_offset != self.map.len().is_multiple_of(2) {
                    return Err(TarError::Sparse("its map is not in pairs"));
                }
                self.map
                    .push(number(value)?.ok_or(TarError::Sparse("a number is missing"))?);
            }
            // How many pairs there are is seen anyway; other keys mean nothing here.
            _ => {}
        }
        Ok(())
    }

    /// The file's size in bytes, holes and all, if the entry is sparse.
    #[must_use]
    pub const fn size_bytes(&self) -> Option<u64> {
        self.size
    }

    /// The file's size and its parts, of an entry whose content comes from `content`, `stored` bytes of it: what
    /// is left to read are the parts. Nothing if the entry is not sparse.
    ///
    /// # Errors
    /// [`TarError`] if the map is none, or has more than `segments_max` parts.
    pub fn read_map(
        self,
        content: &mut impl Read,
        stored: u64,
        segments_max: usize,
    ) -> Result<Option<SparseMap>, TarError> {
        let Some(found) = self.find()? else {
            return Ok(None);
        };
        let (numbers, size, left) = match found {
            Found::Whole(numbers, size) => (numbers, size, stored),
            Found::InContent(size) => {
                let (mut map, mut left) = (NewMap::default(), stored);
                loop {
                    let after = left.checked_sub(BLOCK as u64);
                    left = after.ok_or(TarError::Sparse("its map is cut off"))?;
                    let mut block = [0; BLOCK];
                    content.read_exact(&mut block).map_err(TarError::Read)?;
                    if map.take(&block, segments_max)? {
                        break (map.into_numbers(), size, left);
                    }
                }
            }
        };
        let segments = segments(&numbers, (size, left), segments_max)?;
        Ok(Some(SparseMap {
            size_bytes: size,
            segments,
        }))
    }

    /// What the records say; nothing if the entry is not sparse.
    pub(super) fn find(self) -> Result<Option<Found>, TarError> {
        if !self.any {
            return Ok(None);
        }
        let size = self.size.ok_or(TarError::Sparse("its size is missing"))?;
        match (self.major.unwrap_or(0), self.minor.unwrap_or(0)) {
            (1, 0) => Ok(Some(Found::InContent(size))),
            (0, 0 | 1) if self.map.is_empty() => Err(TarError::Sparse("its map is missing")),
            (0, 0 | 1) => Ok(Some(Found::Whole(self.map, size))),
            _ => Err(TarError::Sparse("its format is not known")),
        }
    }
}

fn decimal(text: &[u8]) -> Result<u64, TarError> {
    let bad = TarError::Sparse("bad number");
    let is_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_digits);
    text.and_then(|text| text.parse().ok()).ok_or(bad)
}

/// The old format: pairs of numbers in the header, of which more may follow in blocks of their own.
#[derive(Debug)]
pub(super) struct OldMap {
    numbers: Vec<u64>,
    /// The file's size.
    pub(super) size: u64,
    /// Whether another block follows.
    pub(super) goes_on: bool,
}

const PAIR_BYTES: usize = 24;
const HEADER_PAIRS: std::ops::Range<usize> = 386..482;
const BLOCK_PAIRS: std::ops::Range<usize> = 0..504;

impl OldMap {
    /// The part that stands in the header itself.
    pub(super) fn of_header(block: &Block) -> Result<Self, TarError> {
        let bytes = block.bytes();
        let mut map = Self {
            numbers: Vec::new(),
            size: old_number(&bytes[483..495])?,
            goes_on: bytes[482] != 0,
        };
        map.pairs(&bytes[HEADER_PAIRS])?;
        Ok(map)
    }

    /// A block that follows.
    pub(super) fn go_on(&mut self, block: &Block) -> Result<(), TarError> {
        let bytes = block.bytes();
        self.goes_on = bytes[504] != 0;
        self.pairs(&bytes[BLOCK_PAIRS])
    }

    /// Pairs up to the first that is empty.
    fn pairs(&mut self, bytes: &[u8]) -> Result<(), TarError> {
        for pair in bytes.chunks_exact(PAIR_BYTES) {
            let (offset, len) = pair.split_at(PAIR_BYTES / 2);
            if offset[0] == 0 {
                break;
            }
            self.numbers.extend([old_number(offset)?, old_number(len)?]);
        }
        Ok(())
    }

    /// How many segments are known so far.
    pub(super) fn segments(&self) -> usize {
        self.numbers.len() / 2
    }

    pub(super) fn into_numbers(self) -> Vec<u64> {
        self.numbers
    }
}

fn old_number(field: &[u8]) -> Result<u64, TarError> {
    number(field)
        .and_then(|value| u64::try_from(value).ok())
        .ok_or(TarError::Sparse("bad number"))
}

/// The map in front of the content: decimal numbers, each with a newline, the first of which says
/// how many pairs follow.
#[derive(Debug, Default)]
pub(super) struct NewMap {
    count: Option<u64>,
    numbers: Vec<u64>,
    /// A number whose newline was not seen yet.
    begun: Vec<u8>,
}

impl NewMap {
    /// Takes a block. Answers whether the map is complete; what follows in the block is padding.
    pub(super) fn take(
        &mut self,
        block: &[u8; BLOCK],
        segments_max: usize,
    ) -> Result<bool, TarError> {
        for byte in block {
            if *byte != b'\n' {
                self.begun.push(*byte);
                if self.begun.len() > 20 {
                    return Err(TarError::Sparse("bad number"));
                }
                continue;
            }
            let number = decimal(&self.begun)?;
            self.begun.clear();
            match self.count {
                None => self.count = Some(limited(number, segments_max)?),
                Some(_) => self.numbers.push(number),
            }
            if self
                .count
                .is_some_and(|count| self.numbers.len() as u64 == 2 * count)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn into_numbers(self) -> Vec<u64> {
        self.numbers
    }
}

fn limited(count: u64, max: usize) -> Result<u64, TarError> {
    if count > max as u64 {
        return Err(too_many(max));
    }
    Ok(count)
}

pub(super) const fn too_many(max: usize) -> TarError {
    TarError::Limit {
        what: "number of a sparse file's segments",
        limit: max as u64,
    }
}

/// Makes segments of a map's numbers: those that touch become one, empty ones are left out.
pub(super) fn segments(
    numbers: &[u64],
    (size, stored): (u64, u64),
    max: usize,
) -> Result<Arc<[Segment]>, TarError> {
    if !numbers.len().is_multiple_of(2) {
        return Err(TarError::Sparse("its map is not in pairs"));
    }
    if numbers.len() / 2 > max {
        return Err(too_many(max));
    }
    let mut segments: Vec<Segment> = Vec::with_capacity(numbers.len() / 2);
    let (mut end, mut sum) = (0, 0);
    for pair in numbers.chunks_exact(2) {
        let segment = Segment {
            offset: pair[0],
            len: pair[1],
        };
        let after = pair[0].checked_add(pair[1]).filter(|after| *after <= size);
        let after = after.ok_or(TarError::Sparse("a segment lies beyond its end"))?;
        if segment.offset < end {
            return Err(TarError::Sparse("its segments overlap"));
        }
        sum += segment.len;
        match segments.last_mut() {
            _ if segment.len == 0 => {}
            Some(last) if last.end() == segment.offset => last.len += segment.len,
            _ => segments.push(segment),
        }
        end = after;
    }
    if sum != stored {
        return Err(TarError::Sparse("its segments are not what follows"));
    }
    Ok(segments.into())
}

#[cfg(test)]
mod tests;
