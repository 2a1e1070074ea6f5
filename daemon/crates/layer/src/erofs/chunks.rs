//! Where a file's content lies in the tar: in one piece, or in several with holes between them.
//!
//! EROFS cuts a file into chunks of one size, each of which lies somewhere or nowhere. A file without
//! holes is one chunk. The chunks of a sparse file are as large as its segments allow: each is wholly
//! a hole or wholly content that begins at a block of the tar.

use super::layout::BLOCK;
use crate::tar::{Entry, Segment};

/// The most chunks that the sparse files of one layer may have together: 32 MiB of index.
pub(super) const CHUNKS_MAX: u64 = 4 << 20;
/// A chunk is at most so many doublings of a block (`EROFS_CHUNK_FORMAT_BLKBITS_MASK`).
const BITS_MAX: u32 = 31;

/// Where the content of a file lies.
#[derive(Debug)]
pub(super) enum Content {
    /// In one piece, at this offset of the tar.
    Whole(u64),
    /// In several.
    Pieces(Box<Pieces>),
}

/// The content of a sparse file.
#[derive(Debug)]
pub(super) struct Pieces {
    /// A chunk has `1 << bits` blocks.
    bits: u32,
    /// Each segment with its offset in the tar.
    segments: Box<[(Segment, u64)]>,
}

impl Content {
    /// The content of an entry that begins at `offset` of the tar; none if its segments do not begin
    /// and end at blocks.
    pub(super) fn of(entry: &Entry, offset: u64) -> Option<Self> {
        let Some(segments) = &entry.segments else {
            return Some(Self::Whole(offset));
        };
        let mut at = offset;
        let mut placed = Vec::with_capacity(segments.len());
        // Bits that are set in any place where a hole and content meet.
        let mut borders = 0;
        for segment in &**segments {
            placed.push((*segment, at));
            at += segment.len;
            borders |= segment.offset;
            if segment.end() != entry.size {
                borders |= segment.end();
            }
        }
        let bits = borders
            .trailing_zeros()
            .checked_sub(BLOCK.trailing_zeros())?;
        Some(Self::Pieces(Box::new(Pieces {
            bits: bits.min(whole_bits(entry.size)),
            segments: placed.into_boxed_slice(),
        })))
    }

    /// Doublings of a block in a chunk of a file of this size.
    pub(super) fn bits(&self, size: u64) -> u32 {
        match self {
            Self::Whole(_) => whole_bits(size),
            Self::Pieces(pieces) => pieces.bits,
        }
    }

    /// How many chunks a file of this size has.
    pub(super) fn chunks(&self, size: u64) -> u64 {
        size.div_ceil(BLOCK << self.bits(size))
    }

    /// Bytes of memory besides the node's.
    pub(super) const fn bytes(&self) -> usize {
        match self {
            Self::Whole(_) => 0,
            Self::Pieces(pieces) => size_of_val(&*pieces.segments) + size_of::<Pieces>(),
        }
    }

    /// Calls `each` with the offset in the tar of every chunk; none for a hole.
    pub(super) fn for_each_chunk(&self, size: u64, mut each: impl FnMut(Option<u64>)) {
        let pieces = match self {
            Self::Whole(offset) => return each(Some(*offset)),
            Self::Pieces(pieces) => pieces,
        };
        let mut waiting = pieces.segments.iter().peekable();
        for chunk in 0..self.chunks(size) {
            let at = chunk * (BLOCK << pieces.bits);
            while waiting
                .next_if(|(segment, _)| segment.end() <= at)
                .is_some()
            {}
            let here = waiting.peek().filter(|(segment, _)| segment.offset <= at);
            each(here.map(|(segment, offset)| offset + (at - segment.offset)));
        }
    }
}

/// One chunk is as large as the whole file: the power of two of blocks that holds it.
fn whole_bits(size: u64) -> u32 {
    let blocks = size.div_ceil(BLOCK).next_power_of_two();
    blocks.trailing_zeros().min(BITS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::{Kind, Timestamp};

    fn chunks(size: u64, segments: &[(u64, u64)]) -> Option<(u32, Vec<Option<u64>>)> {
        let segments = segments.iter().map(|(offset, len)| Segment {
            offset: *offset,
            len: *len,
        });
        let entry = Entry {
            path: b"f".to_vec(),
            kind: Kind::File,
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            size,
            segments: Some(segments.collect()),
            device: (0, 0),
            xattrs: Vec::new(),
        };
        let content = Content::of(&entry, 1024)?;
        let mut found = Vec::new();
        content.for_each_chunk(size, |at| found.push(at));
        assert_eq!(found.len() as u64, content.chunks(size));
        Some((content.bits(size), found))
    }

    #[test]
    fn chunks_are_as_large_as_segments_allow() {
        let hole = None;
        assert_eq!(chunks(10_000, &[]), Some((5, vec![hole])));
        assert_eq!(chunks(700, &[(0, 700)]), Some((1, vec![Some(1024)])));
        assert_eq!(
            chunks(3000, &[(0, 1024), (2048, 952)]),
            Some((1, vec![Some(1024), hole, Some(2048)]))
        );
        assert_eq!(
            chunks(2048, &[(512, 1024)]),
            Some((0, vec![hole, Some(1024), Some(1536), hole]))
        );
        // Not at blocks, and an end that is not the file's.
        assert_eq!(chunks(3000, &[(100, 512)]), None);
        assert_eq!(chunks(3000, &[(0, 700)]), None);
    }
}
