//! One file of the journal and its records.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Length, checksum and sequence before each body, in bytes.
pub(super) const HEADER_BYTES: usize = 16;
/// Longest body that is believed, in bytes; longer means damage.
const BODY_LIMIT: u32 = 32 << 20;

/// What stands before a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) length: u32,
    checksum: u32,
    pub(super) sequence: u64,
}

impl Header {
    /// `None` for a length no record has.
    pub(super) fn decode(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let [l0, l1, l2, l3, c0, c1, c2, c3, sequence @ ..] = bytes;
        let header = Self {
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
            sequence: u64::from_le_bytes(sequence),
        };
        (header.length <= BODY_LIMIT).then_some(header)
    }

    /// Whether `body` is what was written.
    pub(super) fn fits(&self, body: &[u8]) -> bool {
        checksum(self.sequence, body) == self.checksum
    }
}

/// A whole record, to be written at once.
pub(super) fn encode(sequence: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut record = Vec::with_capacity(HEADER_BYTES + body.len());
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(&checksum(sequence, body).to_le_bytes());
    record.extend_from_slice(&sequence.to_le_bytes());
    record.extend_from_slice(body);
    record
}

/// FNV-1a: it finds torn tails, not forgers.
fn checksum(sequence: u64, body: &[u8]) -> u32 {
    let sequence = sequence.to_le_bytes();
    sequence.iter().chain(body).fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// The segment whose first record is `first`.
pub(super) fn path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}"))
}

/// First sequences of the segments in `directory`, oldest first.
pub(super) fn list(directory: &Path) -> io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(first) = name.to_str().filter(|name| name.len() == 20) {
            firsts.extend(first.parse::<u64>().ok());
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// A new, empty segment.
pub(super) fn create(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .read(true)
        .open(path)
}

/// Opens the last segment and cuts a torn tail off: the file, its length in bytes, and the sequence of
/// its last record (one less than `first` when it has none).
pub(super) fn recover(path: &Path, first: u64) -> io::Result<(File, u64, u64)> {
    let file = create(path)?;
    let length = file.metadata()?.len();
    let mut input = io::BufReader::new(&file);
    let (mut good, mut last) = (0, first.saturating_sub(1));
    let mut header = [0; HEADER_BYTES];
    let mut body = Vec::new();
    while input.read_exact(&mut header).is_ok() {
        let Some(head) = Header::decode(header).filter(|head| head.sequence == last + 1) else {
            break;
        };
        body.resize(head.length as usize, 0);
        if input.read_exact(&mut body).is_err() || !head.fits(&body) {
            break;
        }
        good += (HEADER_BYTES + body.len()) as u64;
        last = head.sequence;
    }
    if good < length {
        tracing::warn!(path = %path.display(), bytes = length - good, "cut a torn journal record");
        file.set_len(good)?;
    }
    Ok((file, good, last))
}
