//! Cuts a byte stream into lines as docker's copier does: at each newline, and after 16 KiB of a line
//! that has none. A line that is not complete yet waits here, so at most 16 KiB do.

/// The longest piece of a line that is logged as one record, in bytes.
pub(super) const LIMIT: usize = 16 * 1024;

/// How a piece of output ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With a newline, which is not part of the piece.
    Newline,
    /// Without: the line goes on in the next record, or the stream has ended.
    Cut,
}

/// The cutter of one stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not been seen; shorter than [`LIMIT`].
    tail: Vec<u8>,
}

impl Lines {
    /// Takes bytes and hands on every piece that they complete.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(&[u8], End)) {
        if !self.tail.is_empty() {
            let Some((used, end)) = cut(bytes, LIMIT - self.tail.len()) else {
                self.tail.extend_from_slice(bytes);
                return;
            };
            self.tail.extend_from_slice(&bytes[..used]);
            emit(&self.tail, end);
            self.tail = Vec::new();
            bytes = after(bytes, used, end);
        }
        while let Some((used, end)) = cut(bytes, LIMIT) {
            emit(&bytes[..used], end);
            bytes = after(bytes, used, end);
        }
        if !bytes.is_empty() {
            self.tail = bytes.to_vec();
        }
    }

    /// The beginning of a line that is not complete yet.
    pub(super) fn begun(&self) -> &[u8] {
        &self.tail
    }

    /// What is left when the stream has ended.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.tail
    }
}

/// The length of the next piece, which has at most `room` bytes; `None` if it is not complete.
fn cut(bytes: &[u8], room: usize) -> Option<(usize, End)> {
    let window = &bytes[..bytes.len().min(room)];
    match memchr::memchr(b'\n', window) {
        Some(at) => Some((at, End::Newline)),
        None if window.len() == room => Some((room, End::Cut)),
        None => None,
    }
}

fn after(bytes: &[u8], used: usize, end: End) -> &[u8] {
    &bytes[used + usize::from(end == End::Newline)..]
}

#[cfg(test)]
mod tests;
