//! Finds where the last records of a log begin, reading backwards.

use std::io;
use std::os::unix::fs::FileExt;

use super::files::Segment;

const BLOCK: usize = 64 << 10;

/// Where to begin to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// Index of the file.
    pub(super) file: usize,
    /// Byte in it.
    pub(super) offset: u64,
}

/// The place of the `wanted`th record from the end, or the beginning if there are fewer.
pub(super) fn start(segments: &[Segment], wanted: u64) -> io::Result<Start> {
    let mut left = wanted;
    for (index, segment) in segments.iter().enumerate().rev() {
        let length = segment.len()?;
        if left == 0 {
            return Ok(Start {
                file: index,
                offset: length,
            });
        }
        if let Some(offset) = within(segment, length, &mut left)? {
            return Ok(Start {
                file: index,
                offset,
            });
        }
    }
    Ok(Start { file: 0, offset: 0 })
}

/// The place in this file, if it holds that many records; else `left` is what is still wanted.
fn within(segment: &Segment, length: u64, left: &mut u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; BLOCK];
    let mut end = length;
    // The newline that ends the last record is no beginning of another.
    let mut beyond_last = false;
    while end > 0 {
        let begin = end.saturating_sub(BLOCK as u64);
        let room = usize::try_from(end - begin).expect("no more than a block");
        segment.file.read_exact_at(&mut block[..room], begin)?;
        for at in memchr::memrchr_iter(b'\n', &block[..room]) {
            let offset = begin + at as u64 + 1;
            if !beyond_last && offset == length {
                beyond_last = true;
                continue;
            }
            beyond_last = true;
            *left -= 1;
            if *left == 0 {
                return Ok(Some(offset));
            }
        }
        end = begin;
    }
    if length > 0 {
        *left -= 1;
    }
    Ok((*left == 0 && length > 0).then_some(0))
}
