//! Goes through a log's files and fills buffers with what a client gets.

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::decode::{Step, record};
use super::files::{self, Segment};
use super::output::Output;
use super::tail::{self, Start};
use super::{LogError, LogQuery};

/// Bytes read at a time, and the size from which on an output buffer is handed over.
const CHUNK: usize = 256 << 10;

/// The longest record that is waited for: docker cuts lines at 16 KiB, escapes make that six times
/// as much, and attributes come on top. Longer is no record.
const RECORD_MAX: usize = 4 << 20;

/// What a call to [`Reader::fill`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// There is more at once.
    More,
    /// Everything written so far has been read.
    End,
    /// The window's end has been passed: nothing will come any more.
    Past,
}

/// A place in a log.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    query: LogQuery,
    current: Option<Segment>,
    later: VecDeque<Segment>,
    offset: u64,
    /// Bytes read and not decoded.
    pending: Vec<u8>,
}

impl Reader {
    /// Opens the log where the query begins. A log that does not exist yet is empty.
    pub(super) fn open(path: &Path, query: LogQuery) -> Result<Self, LogError> {
        let mut segments = files::open_all(path)?;
        if let Some(end) = query.end {
            files::cut(&mut segments, end);
        }
        let start = match query.tail {
            Some(wanted) if !segments.is_empty() => {
                tail::start(&segments, wanted).map_err(|source| LogError::File {
                    step: "read",
                    path: path.to_owned(),
                    source,
                })?
            }
            _ => Start { file: 0, offset: 0 },
        };
        let mut later: VecDeque<_> = segments.drain(start.file.min(segments.len())..).collect();
        let current = later.pop_front();
        let path = path.to_owned();
        Ok(Self {
            path,
            query,
            current,
            later,
            offset: start.offset,
            pending: Vec::new(),
        })
    }

    /// An empty buffer for [`Reader::fill`].
    pub(super) fn output(&self) -> Output {
        Output::new(&self.query)
    }

    /// Decodes onto the end of `out`, about [`CHUNK`] bytes at a time.
    pub(super) fn fill(&mut self, out: &mut Output) -> Result<Filled, LogError> {
        while out.len() < CHUNK {
            if !self.read()? {
                if !self.advance()? {
                    return Ok(Filled::End);
                }
                continue;
            }
            if self.decode(out) == Step::Past {
                return Ok(Filled::Past);
            }
        }
        Ok(Filled::More)
    }

    /// Reads a piece of the current file; whether there was one.
    fn read(&mut self) -> Result<bool, LogError> {
        let Some(segment) = &self.current else {
            return Ok(false);
        };
        let kept = self.pending.len();
        let left = segment
            .limit()
            .map(|limit| limit.saturating_sub(self.offset));
        let wanted = left.map_or(CHUNK, |left| {
            usize::try_from(left).unwrap_or(CHUNK).min(CHUNK)
        });
        self.pending.resize(kept + wanted, 0);
        let read = segment.file.read_at(&mut self.pending[kept..], self.offset);
        let length = match read {
            Ok(length) => length,
            Err(source) => {
                self.pending.truncate(kept);
                return Err(LogError::File {
                    step: "read",
                    path: self.path.clone(),
                    source,
                });
            }
        };
        self.pending.truncate(kept + length);
        self.offset += length as u64;
        Ok(length > 0)
    }

    fn decode(&mut self, out: &mut Output) -> Step {
        let mut done = 0;
        let last = loop {
            match record(&self.pending[done..], &self.query, out) {
                Step::Taken(length) => done += length,
                step => break step,
            }
        };
        self.pending.drain(..done);
        if self.pending.len() > RECORD_MAX {
            self.pending.clear();
        }
        last
    }

    /// Goes on to the file after the current one; whether there is one.
    fn advance(&mut self) -> Result<bool, LogError> {
        if let Some(next) = self.later.pop_front() {
            return Ok(self.go_to(next));
        }
        if self.ends_here() {
            return Ok(false);
        }
        let Some(current) = &self.current else {
            let mut segments: VecDeque<_> = files::open_all(&self.path)?.into();
            let first = segments.pop_front();
            self.later = segments;
            return Ok(first.is_some_and(|first| self.go_to(first)));
        };
        if current.len().is_ok_and(|length| length < self.offset) {
            // A log of one file begins anew by being cut.
            self.pending.clear();
            self.offset = 0;
            return Ok(true);
        }
        match files::next(&self.path, current)? {
            Some(next) if self.has_been_read_to_its_end() => Ok(self.go_to(next)),
            // Written to between the last read and the rotation: read that first.
            Some(_) => Ok(true),
            None => Ok(false),
        }
    }

    /// Whether the query's end lies in the current file, or before all files that are left.
    fn ends_here(&self) -> bool {
        let limited = |segment: &Segment| segment.limit().is_some();
        self.query.end.is_some() && self.current.as_ref().is_none_or(limited)
    }

    fn has_been_read_to_its_end(&self) -> bool {
        let length = self.current.as_ref().and_then(|segment| segment.len().ok());
        length.is_none_or(|length| length <= self.offset)
    }

    fn go_to(&mut self, segment: Segment) -> bool {
        // A record never spans files: what is left was torn.
        self.pending.clear();
        self.offset = 0;
        self.current = Some(segment);
        true
    }
}
