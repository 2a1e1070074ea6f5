//! A container's output on its way to stdout and stderr.

use std::io::{self, Write};

use gantry_stdio::frame::{Decoder, Stream};

/// How much is gathered before it is written; flushed at the end of each piece received.
const BUFFER: usize = 64 * 1024;

/// Takes docker's frames apart, or passes a terminal's bytes on as they are.
#[derive(Debug)]
pub(crate) struct Output {
    frames: Option<Decoder>,
    out: io::BufWriter<Descriptor>,
    err: io::BufWriter<Descriptor>,
}

impl Output {
    pub(crate) fn new(framed: bool) -> Self {
        Self {
            frames: framed.then(|| Decoder::with_limit(u32::MAX)),
            out: io::BufWriter::with_capacity(BUFFER, Descriptor::Out),
            err: io::BufWriter::with_capacity(BUFFER, Descriptor::Err),
        }
    }

    /// Writes one received piece; when it returns, all of it is out.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> io::Result<()> {
        let Some(frames) = &mut self.frames else {
            self.out.write_all(piece)?;
            return self.out.flush();
        };
        while let Some(part) = frames.next(&mut piece).map_err(io::Error::other)? {
            match part.stream {
                Stream::Stdin | Stream::Stdout => {
                    // The order between the two is kept as far as it was received.
                    self.err.flush()?;
                    self.out.write_all(part.bytes)?;
                }
                Stream::Stderr => {
                    self.out.flush()?;
                    self.err.write_all(part.bytes)?;
                }
                Stream::SystemErr => {
                    let text = String::from_utf8_lossy(part.bytes);
                    return Err(io::Error::other(format!(
                        "error from daemon in stream: {text}"
                    )));
                }
            }
        }
        self.err.flush()?;
        self.out.flush()
    }

    /// The end of the stream; an error if it broke off within a frame.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.frames {
            Some(frames) if !frames.is_between_frames() => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the stream broke off within a frame",
            )),
            _ => Ok(()),
        }
    }
}

/// A standard descriptor without the line buffer that the standard library puts before stdout.
#[derive(Debug)]
enum Descriptor {
    Out,
    Err,
}

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Out => rustix::io::write(rustix::stdio::stdout(), bytes),
            Self::Err => rustix::io::write(rustix::stdio::stderr(), bytes),
        };
        Ok(written?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
