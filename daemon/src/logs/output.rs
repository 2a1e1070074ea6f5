//! The bytes a client of a log gets, in docker's frames where it wants them.
//!
//! A follower gets each record in a frame of its own, as from dockerd: there are clients that take a
//! frame for a line. Where the log is read to its end, neighbours of one stream share a frame: stock
//! clients make a system call of each frame, which is most of what a long log costs them.

use gantry_stdio::frame::{HEADER_LEN, Stream, header};

use super::LogQuery;

/// The longest frame that records share, in bytes: what stock clients read without growing a buffer.
const SHARED_LEN: usize = 32 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    framed: bool,
    /// How long a frame may become by a further record, in bytes.
    shared_len: usize,
    frame: Option<Frame>,
    /// Where the record that is being decoded begins.
    record: usize,
}

/// The last frame, which may take further records.
#[derive(Debug, Clone, Copy)]
struct Frame {
    start: usize,
    stream: Stream,
}

impl Output {
    /// An empty output for what the query asks.
    pub(super) fn new(query: &LogQuery) -> Self {
        Self {
            framed: query.framed,
            shared_len: if query.follow { 0 } else { SHARED_LEN },
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All records that were ended.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.undo();
        self.bytes
    }

    /// Begins a record, whose text is appended to what this returns. One that was begun and not ended
    /// is forgotten.
    pub(super) fn begin(&mut self) -> &mut Vec<u8> {
        self.bytes.truncate(self.record);
        &mut self.bytes
    }

    /// Forgets the record that was begun.
    pub(super) fn undo(&mut self) {
        self.bytes.truncate(self.record);
    }

    /// The record is whole.
    pub(super) fn end(&mut self, stream: Stream) {
        if self.framed {
            self.frame(stream);
        }
        self.record = self.bytes.len();
    }

    fn frame(&mut self, stream: Stream) {
        let start = match self.frame {
            Some(frame) if frame.stream == stream && self.may_join(frame.start) => frame.start,
            _ => {
                let text = self.record..self.bytes.len();
                self.bytes.extend_from_slice(&[0; HEADER_LEN]);
                self.bytes.copy_within(text, self.record + HEADER_LEN);
                self.record
            }
        };
        self.frame = Some(Frame { start, stream });
        let length = self.bytes.len() - start - HEADER_LEN;
        let length = u32::try_from(length).expect("a record is shorter than 4 GiB");
        self.bytes[start..start + HEADER_LEN].copy_from_slice(&header(stream, length));
    }

    fn may_join(&self, start: usize) -> bool {
        self.bytes.len() - start - HEADER_LEN <= self.shared_len
    }
}
