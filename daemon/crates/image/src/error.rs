//! What can go wrong with an image, by step, in dockerd's words where clients read them.

use std::io;
use std::path::PathBuf;

use gantry_errors::{Classify, ErrorKind};
use gantry_ids::{Platform, ReferenceError};
use gantry_layer::LayerError;

/// What can go wrong with an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A crash test's instant.
    #[error(transparent)]
    Injected(#[from] gantry_probe::Injected),
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
    /// `sha256:…` would be taken for an identifier.
    #[error("refusing to create an ambiguous tag using digest algorithm as name")]
    TagNamedAsDigest,
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
    /// The image is for another operating system.
    #[error("cannot load {0} image on linux")]
    OperatingSystem(String),
    /// The image is there, and for another platform than was asked for.
    #[error(
        "image with reference {} was found but its platform ({}) does not match the specified \
         platform ({})",
        .0.reference, .0.has, .0.wanted
    )]
    WrongPlatform(Box<PlatformMismatch>),
    /// The archive has no image for this machine.
    #[error("no image in the archive is for {0}")]
    NoPlatform(String),
    /// The image is not there for the platform to save.
    #[error("no suitable export target found for platform {0}")]
    NoExport(Platform),
    /// The archive has no image for the platform that was asked for.
    #[error("requested platform ({0}) not found in the archive")]
    NotInArchive(Platform),
    /// The archive breaks its format's rules.
    #[error("invalid archive: {0}")]
    Archive(String),
    /// A file of the archive is not the JSON it should be.
    #[error("invalid archive: parse {path}")]
    ArchiveJson {
        /// Which file.
        path: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The archive's own tar is broken.
    #[error("read the archive")]
    ArchiveTar(#[source] gantry_layer::TarError),
    /// The archive could not be read.
    #[error("read the archive")]
    ArchiveRead(#[source] io::Error),
    /// The archive is compressed by something unknown.
    #[error("read the archive")]
    ArchiveCompression(#[source] gantry_layer::SourceError),
    /// A `--change` that is no instruction or not allowed here.
    #[error("{0}")]
    Change(String),
    /// `--platform` is no platform of this engine.
    #[error("{0:?}: not a platform of this engine: want linux[/architecture[/variant]]")]
    BadPlatform(String),
    /// A layer could not be stored or found.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// Another engine works on this data root.
    #[error(
        "{root}: another engine is using this data root; stop it or give --data-root another",
        root = root.display()
    )]
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
    /// The metadata was written by a later version of the engine.
    #[error("image metadata has version {found}, which is later than this engine's")]
    LaterVersion {
        /// The version found.
        found: u32,
    },
}

/// An image that is there for another platform.
#[derive(Debug)]
pub struct PlatformMismatch {
    /// As it was asked for.
    pub reference: String,
    /// The image's.
    pub has: Platform,
    /// What was asked for.
    pub wanted: Platform,
}

impl Classify for ImageError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchImage(_)
            | Self::WrongPlatform(_)
            | Self::NotInArchive(_)
            | Self::NoExport(_) => ErrorKind::NotFound,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Ambiguous(_)
            | Self::Reference(_)
            | Self::TagWithDigest
            | Self::TagNamedAsDigest
            | Self::Config(_)
            | Self::ConfigTooLong { .. }
            | Self::OperatingSystem(_)
            | Self::NoPlatform(_)
            | Self::Archive(_)
            | Self::ArchiveJson { .. }
            | Self::ArchiveTar(_)
            | Self::ArchiveCompression(_)
            | Self::Change(_)
            | Self::BadPlatform(_) => ErrorKind::InvalidArgument,
            Self::Layer(source) => source.kind(),
            Self::InUse { .. } => ErrorKind::FailedPrecondition,
            Self::ArchiveRead(source) | Self::Io { source, .. } => source.kind().into(),
            Self::Metadata { .. } | Self::LaterVersion { .. } | Self::Injected(_) => {
                ErrorKind::Internal
            }
        }
    }
}

/// Names the step and the path.
pub(crate) fn failed<E: Into<io::Error>>(
    step: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(E) -> ImageError {
    let path = path.into();
    move |source| ImageError::Io {
        step,
        path,
        source: source.into(),
    }
}
