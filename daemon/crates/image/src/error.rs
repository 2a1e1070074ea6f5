//! What can go wrong with an image, by step, in dockerd's words where clients read them.

use std::io;
use std::path::PathBuf;

use gantry_ids::{ImageId, ReferenceError};

/// The class of an [`ImageError`], from which the API's status follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 400.
    Invalid,
    /// 501.
    NotBuilt,
    /// 500.
    System,
}

/// What can go wrong with an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No image has this name or identifier.
    #[error("No such image: {0}")]
    NoSuchImage(String),
    /// More than one image's identifier begins so.
    #[error("ambiguous reference: {0}")]
    Ambiguous(String),
    /// The text is no reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The reference has a digest where only a tag can be.
    #[error("refusing to create a tag with a digest reference")]
    TagWithDigest,
    /// Removing is refused.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The configuration is no JSON object, or has wrong types.
    #[error("invalid image configuration")]
    Config(#[source] serde_json::Error),
    /// The configuration is longer than 4 MiB.
    #[error("invalid image configuration: {bytes} bytes are more than 4 MiB")]
    ConfigTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The image is for another platform.
    #[error("image {image} is for {found}, not for {wanted}")]
    Platform {
        /// Which image.
        image: ImageId,
        /// `os/architecture`.
        found: String,
        /// `os/architecture`.
        wanted: String,
    },
    /// The archive breaks its format's rules.
    #[error("invalid archive: {0}")]
    Archive(String),
    /// A `--change` that is no instruction or not allowed here.
    #[error("{0}")]
    Change(String),
    /// Another engine works on this data root.
    #[error("{root}: another engine is using this data root", root = root.display())]
    InUse {
        /// The data root.
        root: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{step} {path}", path = path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The metadata could not be read or written.
    #[error("image metadata: {step}")]
    Metadata {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        #[source]
        source: Box<redb::Error>,
    },
    /// Not built yet.
    #[error("{0} is not built yet")]
    NotBuilt(&'static str),
}

impl ImageError {
    /// The class.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchImage(_) => ErrorKind::NotFound,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Ambiguous(_)
            | Self::Reference(_)
            | Self::TagWithDigest
            | Self::Config(_)
            | Self::ConfigTooLong { .. }
            | Self::Platform { .. }
            | Self::Archive(_)
            | Self::Change(_) => ErrorKind::Invalid,
            Self::NotBuilt(_) => ErrorKind::NotBuilt,
            Self::InUse { .. } | Self::Io { .. } | Self::Metadata { .. } => ErrorKind::System,
        }
    }
}
