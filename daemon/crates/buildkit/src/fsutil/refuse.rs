//! Why a tree is not received.

use super::disk::DiskError;
use super::receive::{ENTRIES_MAX, OPEN_FILES_MAX};

/// Why a tree was not received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// A path is no list of plain names.
    #[error("the client sent an invalid path: {0:?}")]
    Path(String),
    /// A path comes before one that it belongs behind, or its directory was not told.
    #[error("the client sent {path:?} out of order, after {last:?}")]
    Order {
        /// The path.
        path: String,
        /// The path before it.
        last: String,
    },
    /// There is no end of entries.
    #[error("the client sent more than {ENTRIES_MAX} entries")]
    Entries,
    /// There is no end of contents.
    #[error("the client sent more than {0} bytes of files")]
    Contents(u64),
    /// Devices are not received.
    #[error("the client sent the device {0:?}: devices cannot be part of a build context")]
    Device(String),
    /// Contents nobody asked for.
    #[error("the client sent contents of entry {0}, which it was not asked for")]
    Unasked(u32),
    /// The sender opens files and never ends them.
    #[error("the client sends more than {OPEN_FILES_MAX} files at once")]
    OpenFiles,
    /// An entry after the end of the list, or an end before everything was sent.
    #[error("the client sent a packet out of turn")]
    Turn,
    /// The sender gave up.
    #[error("{0}")]
    Told(String),
    /// A further name of a file that was not told before it.
    #[error("the client sent {path:?} as a link to {target:?}, which is no file before it")]
    Link {
        /// The name.
        path: String,
        /// What it links to.
        target: String,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Contents could not be written.
    #[error("write {path:?}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
}

impl ReceiveError {
    /// Whether the place for the tree is too small for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Contents(_) => true,
            Self::Disk(error) => error.is_full(),
            Self::Write { error, .. } => error.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}
