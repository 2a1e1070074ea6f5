//! Why files could not be copied.

use std::io;

use gantry_dockerfile::IgnoreError;
use gantry_layer::TarError;

/// A copy failed. Paths are as the Dockerfile's reader sees them: absolute in their tree.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A source that is not there; the words that clients of BuildKit look for.
    #[error("\"{0}\": not found")]
    NotFound(String),
    /// Links that lead in a circle.
    #[error("{0}: too many links")]
    TooManyLinks(String),
    /// A directory onto something else.
    #[error("cannot copy to non-directory: {0}")]
    NotDirectory(String),
    /// A directory cannot be made.
    #[error("mkdir {path}")]
    MakeDirectory {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A source cannot be read.
    #[error("read {path}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("write {path}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A user that the stage's `/etc/passwd` does not know.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    UnknownUser(String),
    /// A group that the stage's `/etc/group` does not know.
    #[error("unable to find group {0}: no matching entries in group file")]
    UnknownGroup(String),
    /// A pattern of a source or of `--exclude`.
    #[error(transparent)]
    Pattern(#[from] IgnoreError),
    /// An archive cannot be read.
    #[error("unpack {path}")]
    Archive {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: TarError,
    },
    /// An entry of an archive leads out of the destination.
    #[error("invalid entry name {name:?} in {archive}")]
    Entry {
        /// The archive.
        archive: String,
        /// The entry's name.
        name: String,
    },
}

impl CopyError {
    /// Whether there was no room for a file.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Write { source, .. } | Self::MakeDirectory { source, .. } => {
                source.kind() == io::ErrorKind::StorageFull
            }
            _ => false,
        }
    }

    pub(crate) fn read(path: &str, source: impl Into<io::Error>) -> Self {
        Self::Read {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    pub(crate) fn write(path: &str, source: impl Into<io::Error>) -> Self {
        Self::Write {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}
