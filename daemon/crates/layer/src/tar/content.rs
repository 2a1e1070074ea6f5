//! The content of an entry: as a file has it, or only what a sparse file has besides holes.

use std::io::{self, BufRead};
use std::sync::Arc;

use super::{Entry, Segment, Tape, TarError, TarReader, count, fill};

/// What holes are given as.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A place in the file that an entry describes.
#[derive(Debug)]
pub(super) struct Cursor {
    at: u64,
    size: u64,
    /// None of a file without holes.
    segments: Option<Arc<[Segment]>>,
    /// The first segment that does not lie before the place.
    next: usize,
}

/// What follows at a place.
#[derive(Debug, Clone, Copy)]
enum Run {
    /// So many bytes of the tar.
    Content(u64),
    /// So many zeros.
    Hole(u64),
}

impl Cursor {
    /// Where nothing follows.
    pub(super) const NOWHERE: Self = Self {
        at: 0,
        size: 0,
        segments: None,
        next: 0,
    };

    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            size: entry.size,
            segments: entry.segments.clone(),
            ..Self::NOWHERE
        }
    }

    fn run(&self) -> Option<Run> {
        let left = self.size - self.at;
        let run = match &self.segments {
            None => Run::Content(left),
            Some(segments) => match segments.get(self.next) {
                None => Run::Hole(left),
                Some(next) if self.at < next.offset => Run::Hole(next.offset - self.at),
                Some(next) => Run::Content(next.end() - self.at),
            },
        };
        (left > 0).then_some(run)
    }

    fn advance(&mut self, len: u64) {
        self.at += len;
        let segments = self.segments.as_deref().unwrap_or_default();
        if segments
            .get(self.next)
            .is_some_and(|it| it.end() <= self.at)
        {
            self.next += 1;
        }
    }
}

impl<R: BufRead, T: Tape> TarReader<R, T> {
    /// Hands the current entry's content to `sink` piece by piece, holes as zeros, keeping none of it
    /// on the tape.
    ///
    /// # Errors
    /// [`TarError`] as `Ok(Err(…))` of the sink's own: the outer error is the tar's.
    pub fn content<E>(
        &mut self,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, TarError> {
        while let Some(run) = self.cursor.run() {
            let given = match run {
                Run::Content(len) => self.piece(len, |_, piece| sink(piece))?,
                Run::Hole(len) => {
                    let len = within(len, ZEROS.len());
                    self.cursor.advance(len as u64);
                    sink(&ZEROS[..len])
                }
            };
            if given.is_err() {
                return Ok(given);
            }
        }
        Ok(Ok(()))
    }

    /// Hands what the tar has of the current entry's content to `sink`, piece by piece with its offset
    /// in the file. Holes are left out.
    ///
    /// # Errors
    /// As [`Self::content`].
    pub fn pieces<E>(
        &mut self,
        mut sink: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, TarError> {
        while let Some(run) = self.cursor.run() {
            match run {
                Run::Hole(len) => self.cursor.advance(len),
                Run::Content(len) => {
                    let given = self.piece(len, &mut sink)?;
                    if given.is_err() {
                        return Ok(given);
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    /// Hands over at most `len` bytes of the tar.
    fn piece<E>(
        &mut self,
        len: u64,
        mut sink: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, TarError> {
        let piece = fill(&mut self.source)?;
        let piece = &piece[..within(len, piece.len())];
        if let Err(error) = sink(self.cursor.at, piece) {
            return Ok(Err(error));
        }
        let len = piece.len();
        self.source.consume(len);
        self.took(len).map(Ok)
    }

    /// The current entry's content as a reader, holes as zeros; none of it goes on the tape.
    pub const fn content_reader(&mut self) -> ContentReader<'_, R, T> {
        ContentReader { tar: self }
    }

    fn took(&mut self, len: usize) -> Result<(), TarError> {
        self.content_left -= len as u64;
        self.cursor.advance(len as u64);
        count(&mut self.read_bytes, len, &self.limits)
    }
}

fn within(len: u64, most: usize) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX).min(most)
}

/// Reads one entry's content.
#[derive(Debug)]
pub struct ContentReader<'a, R, T> {
    tar: &'a mut TarReader<R, T>,
}

impl<R: BufRead, T: Tape> io::Read for ContentReader<'_, R, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(run) = self.tar.cursor.run().filter(|_| !buffer.is_empty()) else {
            return Ok(0);
        };
        match run {
            Run::Hole(len) => {
                let len = within(len, buffer.len());
                buffer[..len].fill(0);
                self.tar.cursor.advance(len as u64);
                Ok(len)
            }
            Run::Content(len) => {
                let most = within(len, buffer.len());
                let len = self.tar.source.read(&mut buffer[..most])?;
                if len == 0 {
                    let truncated = TarError::Truncated;
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, truncated));
                }
                self.tar.took(len).map_err(io::Error::other)?;
                Ok(len)
            }
        }
    }
}
