//! The container's log in docker's json-file format: bytes in, records out, rotated by size.
//!
//! [`lines`] cuts the stream as docker does, [`record`] encodes byte for byte what docker writes, and
//! [`file`] appends and rotates. Writing never waits for anything but the disk and never fails
//! towards the container: what does not fit is counted, and said once there is room again.

mod file;
mod lines;
mod record;

use std::io;
use std::num::NonZeroU64;

use gantry_stdio::frame::Stream;
use gantry_stdio::{JsonFile, LogPlace};

use file::LogFile;
use lines::Lines;
use record::Encoder;

/// How many encoded bytes are gathered before they are written.
const FLUSH_LEN: usize = 128 * 1024;

/// One container's log.
#[derive(Debug)]
pub(crate) struct JsonLog {
    file: LogFile,
    encoder: Encoder,
    stdout: Lines,
    stderr: Lines,
    pending: Vec<u8>,
    max_size: Option<NonZeroU64>,
}

impl JsonLog {
    /// Opens or creates the log.
    ///
    /// # Errors
    /// What `open(2)` says of the path.
    pub(crate) fn open(options: &JsonFile) -> io::Result<Self> {
        Ok(Self {
            file: LogFile::open(&options.path, options.max_file)?,
            encoder: Encoder::new(options.attrs.as_deref()),
            stdout: Lines::default(),
            stderr: Lines::default(),
            pending: Vec::new(),
            max_size: options.max_size,
        })
    }

    /// Takes what the process wrote; complete lines are in the file when this returns.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        self.encoder.set_time(jiff::Timestamp::now());
        let mut lines = std::mem::take(self.lines(stream));
        lines.push(bytes, |line, end| self.record(stream, line, end));
        *self.lines(stream) = lines;
        self.flush();
    }

    /// Gives the gathering buffer back until there is more to write.
    pub(crate) fn rest(&mut self) {
        self.pending = Vec::new();
    }

    /// The stream has ended: a last line without its newline is written as it is.
    pub(crate) fn end(&mut self, stream: Stream) {
        let rest = std::mem::take(self.lines(stream)).into_rest();
        if !rest.is_empty() {
            self.encoder.set_time(jiff::Timestamp::now());
            self.record(stream, &rest, lines::End::Cut);
            self.flush();
        }
    }

    /// Where the log ends now; everything before this is on its way to disk.
    pub(crate) fn place(&self) -> io::Result<LogPlace> {
        self.file.place()
    }

    /// What a stream wrote of a line whose end has not been seen: it is in no file yet.
    pub(crate) fn begun(&self, stream: Stream) -> &[u8] {
        let lines = if stream == Stream::Stderr {
            &self.stderr
        } else {
            &self.stdout
        };
        lines.begun()
    }

    fn lines(&mut self, stream: Stream) -> &mut Lines {
        if stream == Stream::Stderr {
            &mut self.stderr
        } else {
            &mut self.stdout
        }
    }

    fn record(&mut self, stream: Stream, line: &[u8], end: lines::End) {
        let projected = self.file.size() + self.pending.len() as u64;
        if self.max_size.is_some_and(|max| projected >= max.get()) {
            self.flush();
            self.file.rotate();
        } else if self.pending.len() >= FLUSH_LEN {
            self.flush();
        }
        self.encoder.append(&mut self.pending, stream, line, end);
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let dropped = self.file.dropped();
        if dropped > 0 {
            let note =
                format!("gantry: {dropped} log records dropped, no space left on the device");
            let mut record = Vec::new();
            self.encoder.append(
                &mut record,
                Stream::Stderr,
                note.as_bytes(),
                lines::End::Newline,
            );
            self.file.append_note(&record);
        }
        self.file.append(&self.pending);
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests;
