//! Reads the journal at a subscriber's own pace.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use gantry_proto::containerd::types::Envelope;
use prost::Message;
use tokio::sync::watch;

use super::segment::{self, HEADER_BYTES, Header};
use super::{Cursor, Journal, JournalError};
use crate::event::{Event, from_envelope};

/// What is next in the journal could not be had: it was rotated away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap;

/// A place in the journal that moves on.
#[derive(Debug)]
pub(crate) struct Reader {
    journal: Journal,
    /// The last record that was read or skipped.
    last: u64,
    open: Option<Open>,
    head: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Open {
    file: File,
    offset: u64,
    /// Sequence of the record at `offset`.
    next: u64,
}

impl Reader {
    pub(super) fn new(journal: Journal, last: u64, head: watch::Receiver<u64>) -> Self {
        Self {
            journal,
            last,
            open: None,
            head,
        }
    }

    /// Waits for the next event.
    ///
    /// `Err(Gap)` inside means that records after the last one are gone; the reader then stands at the
    /// journal's end.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) async fn next(&mut self) -> Result<Result<(Cursor, Event), Gap>, JournalError> {
        loop {
            let head = *self.head.borrow_and_update();
            if self.last < head {
                return self.read();
            }
            if self.head.changed().await.is_err() {
                // The journal lives as long as this reader, which holds it.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Reads the record after `last`, which is wholly written.
    fn read(&mut self) -> Result<Result<(Cursor, Event), Gap>, JournalError> {
        let wanted = self.last + 1;
        let Some((open, head)) = self.seek(wanted)? else {
            self.open = None;
            self.last = *self.head.borrow_and_update();
            return Ok(Err(Gap));
        };
        let mut body = vec![0; head.length as usize];
        open.file
            .read_exact_at(&mut body, open.offset + HEADER_BYTES as u64)
            .map_err(JournalError::Read)?;
        open.offset += (HEADER_BYTES + body.len()) as u64;
        open.next += 1;
        self.last = wanted;
        if !head.fits(&body) {
            return Err(JournalError::Damaged(wanted));
        }
        let event = Envelope::decode(body.as_slice())
            .ok()
            .and_then(|envelope| from_envelope(envelope).ok())
            .ok_or(JournalError::Damaged(wanted))?;
        Ok(Ok((self.journal.cursor(wanted), event)))
    }

    /// Stands at the record `wanted`; `None` when its segment is gone or cannot be followed.
    fn seek(&mut self, wanted: u64) -> Result<Option<(&mut Open, Header)>, JournalError> {
        if self.at_end()? && !self.open_segment(wanted)? {
            return Ok(None);
        }
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        loop {
            let mut header = [0; HEADER_BYTES];
            open.file
                .read_exact_at(&mut header, open.offset)
                .map_err(JournalError::Read)?;
            match Header::decode(header).filter(|head| head.sequence == open.next) {
                None => return Ok(None),
                Some(head) if open.next == wanted => return Ok(Some((open, head))),
                Some(head) => {
                    open.offset += HEADER_BYTES as u64 + u64::from(head.length);
                    open.next += 1;
                }
            }
        }
    }

    fn at_end(&self) -> Result<bool, JournalError> {
        let Some(open) = &self.open else {
            return Ok(true);
        };
        let length = open.file.metadata().map_err(JournalError::Read)?.len();
        Ok(open.offset >= length)
    }

    /// Opens the segment that holds `wanted`, if it is kept.
    fn open_segment(&mut self, wanted: u64) -> Result<bool, JournalError> {
        let segments = self.journal.segments();
        let Some(first) = segments.into_iter().rev().find(|first| *first <= wanted) else {
            return Ok(false);
        };
        let path = segment::path(self.journal.directory(), first);
        match File::open(path) {
            Ok(file) => {
                let (offset, next) = (0, first);
                self.open = Some(Open { file, offset, next });
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(JournalError::Read(error)),
        }
    }
}
