//! Why the layer store could not do something.

use std::io;
use std::path::PathBuf;

use gantry_errors::{Classify, ErrorKind};

use crate::extract::{EntryError, ExtractError};
use crate::pipeline::SourceError;
use crate::{ChainId, DiffId};

/// Why the layer store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The source is no sound stream.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The tar is not a sound layer, or could not be unpacked.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// No such layer.
    #[error("layer {0} does not exist")]
    NoSuchLayer(ChainId),
    /// The layer's files are not what they were when it was stored.
    #[error("layer {chain} is damaged: its tar has digest {found}, not {expected}")]
    Damaged {
        /// Which layer.
        chain: ChainId,
        /// What was found.
        found: DiffId,
        /// What should have been.
        expected: DiffId,
    },
    /// A file of the layer is not what the recipe says.
    #[error("layer {chain} is damaged at {path:?}")]
    DamagedFile {
        /// Which layer.
        chain: ChainId,
        /// Which of its files.
        path: String,
        /// Why it could not be read.
        #[source]
        source: io::Error,
    },
    /// The layer's files could not be compared with its tar.
    #[error("look at the layer's files")]
    Compare(#[source] io::Error),
    /// The receiver of a tar failed.
    #[error("write the layer's tar")]
    Write(#[source] io::Error),
    /// The layers of a chain could not be put together.
    #[error("mount the layers")]
    Mount(#[source] io::Error),
    /// A file or directory of the store could not be handled.
    #[error("{step} {path}", path = path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Classify for LayerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Source(SourceError::Read(source)) => source_kind(source),
            Self::Extract(ExtractError::Tar { .. }) => ErrorKind::InvalidArgument,
            Self::Extract(ExtractError::Layer { source, .. }) => source.kind().into(),
            Self::Extract(ExtractError::Entry { source, .. }) => match source {
                EntryError::Io { source, .. } => entry_kind(source),
                EntryError::Escapes
                | EntryError::LinkEscapes(_)
                | EntryError::NoTarget(_)
                | EntryError::Whiteout
                | EntryError::Limit { .. }
                | EntryError::Content(_) => ErrorKind::InvalidArgument,
            },
            Self::NoSuchLayer(_) => ErrorKind::NotFound,
            Self::Damaged { .. } | Self::DamagedFile { .. } => ErrorKind::DataLoss,
            Self::Write(source) if source.kind() == io::ErrorKind::StorageFull => {
                ErrorKind::ResourceExhausted
            }
            Self::Write(_) => ErrorKind::Unavailable,
            Self::Compare(source) | Self::Mount(source) | Self::Io { source, .. } => {
                source.kind().into()
            }
        }
    }
}

/// A broken compressed stream is the sender's fault.
fn source_kind(source: &io::Error) -> ErrorKind {
    match source.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => ErrorKind::InvalidArgument,
        kind => kind.into(),
    }
}

/// The kernel's refusal of an entry is the layer's fault unless the machine ran out of something.
fn entry_kind(source: &io::Error) -> ErrorKind {
    match ErrorKind::from(source.kind()) {
        kind @ (ErrorKind::ResourceExhausted | ErrorKind::PermissionDenied) => kind,
        _ => ErrorKind::InvalidArgument,
    }
}

/// Names the step and the path.
pub(super) fn failed<E: Into<io::Error>>(
    step: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(E) -> LayerError {
    let path = path.into();
    move |source| LayerError::Io {
        step,
        path,
        source: source.into(),
    }
}
