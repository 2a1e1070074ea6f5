//! Docker's stream framing ("stdcopy"): each chunk of output is preceded by eight bytes, one for the
//! stream, three zeros, and the chunk's length as a big-endian `u32` (Engine API, "Attach to a
//! container", stream format).

use thiserror::Error;

/// The length of a frame's header, in bytes.
pub const HEADER_LEN: usize = 8;

/// The longest payload that [`Decoder`] accepts unless it is told otherwise, in bytes.
pub const DEFAULT_LIMIT: u32 = 16 * 1024 * 1024;

/// Which stream a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// Never sent by an engine; clients treat it as output.
    Stdin = 0,
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
    /// An error of the engine itself; clients stop reading when they see it.
    SystemErr = 3,
}

impl Stream {
    /// The stream's name in a log record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdin => "stdin",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::SystemErr => "systemerr",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Stdin),
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            3 => Some(Self::SystemErr),
            _ => None,
        }
    }
}

/// The header of a frame whose payload is `len` bytes long.
#[must_use]
pub fn header(stream: Stream, len: u32) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = len.to_be_bytes();
    [stream as u8, 0, 0, 0, a, b, c, d]
}

/// Why a byte stream is not a sequence of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The first byte of a header names no stream.
    #[error("unrecognized stream {0} in a frame header")]
    UnknownStream(u8),
    /// The header announces more than the decoder's limit.
    #[error("frame of {len} bytes exceeds the limit of {limit}")]
    TooLong {
        /// What the header says, in bytes.
        len: u32,
        /// What the decoder accepts, in bytes.
        limit: u32,
    },
}

/// A piece of a frame's payload; a frame may come in several pieces, an empty one in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Where the bytes belong.
    pub stream: Stream,
    /// At least one byte.
    pub bytes: &'a [u8],
}

/// Takes frames apart as their bytes arrive, without buffering any payload.
#[derive(Debug, Clone)]
pub struct Decoder {
    header: [u8; HEADER_LEN],
    filled: usize,
    stream: Stream,
    left: usize,
    limit: u32,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }
}

impl Decoder {
    /// A decoder that refuses payloads above `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: u32) -> Self {
        Self {
            header: [0; HEADER_LEN],
            filled: 0,
            stream: Stream::Stdout,
            left: 0,
            limit,
        }
    }

    /// Whether the bytes so far end between two frames, so that an end of input is a clean one.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.left == 0 && self.filled == 0
    }

    /// Takes the next piece from the front of `input`, which shrinks by what was used. `None` means
    /// that `input` is used up.
    ///
    /// # Errors
    /// [`FrameError`]; the stream cannot be followed any further then.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, FrameError> {
        loop {
            if self.left > 0 {
                if input.is_empty() {
                    return Ok(None);
                }
                let (bytes, rest) = input.split_at(self.left.min(input.len()));
                *input = rest;
                self.left -= bytes.len();
                return Ok(Some(Piece {
                    stream: self.stream,
                    bytes,
                }));
            }
            let (head, rest) = input.split_at((HEADER_LEN - self.filled).min(input.len()));
            self.header[self.filled..self.filled + head.len()].copy_from_slice(head);
            self.filled += head.len();
            *input = rest;
            if self.filled < HEADER_LEN {
                return Ok(None);
            }
            self.open_frame()?;
        }
    }

    fn open_frame(&mut self) -> Result<(), FrameError> {
        let [stream, _, _, _, a, b, c, d] = self.header;
        self.stream = Stream::from_byte(stream).ok_or(FrameError::UnknownStream(stream))?;
        let len = u32::from_be_bytes([a, b, c, d]);
        if len > self.limit {
            return Err(FrameError::TooLong {
                len,
                limit: self.limit,
            });
        }
        self.filled = 0;
        self.left = usize::try_from(len).expect("a u32 fits a usize on every Linux target");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
