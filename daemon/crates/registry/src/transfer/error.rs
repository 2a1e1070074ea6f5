//! What can go wrong with a transfer, in dockerd's words.

use std::sync::Arc;

use gantry_errors::{Classify, ErrorKind};
use gantry_ids::{Digest, ImageRef};
use gantry_image::ImageError;

use crate::auth::Refused;
use crate::error::RegistryError;
use crate::manifest::ManifestError;

/// What can go wrong with a transfer. Cheap to clone: several pulls may wait for the same layer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransferError {
    /// The registry.
    #[error(transparent)]
    Registry(Arc<RegistryError>),
    /// The store.
    #[error(transparent)]
    Image(Arc<ImageError>),
    /// The repository is not there, or not for us.
    #[error(
        "pull access denied for {name}, repository does not exist or may require 'docker login': {told}"
    )]
    Denied {
        /// Its familiar name.
        name: String,
        /// What the registry said: part of the text.
        told: Told,
    },
    /// The repository has no such tag or digest.
    #[error("manifest for {name} not found: {told}")]
    NoManifest {
        /// The familiar reference.
        name: String,
        /// What the registry said: part of the text.
        told: Told,
    },
    /// The registry has no such repository.
    #[error("repository {name} not found: {told}")]
    NoRepository {
        /// Its familiar name.
        name: String,
        /// What the registry said: part of the text.
        told: Told,
    },
    /// The image is for another operating system.
    #[error("image operating system \"{0}\" cannot be used on this platform")]
    OperatingSystem(String),
    /// The configuration and the manifest do not name as many layers.
    #[error("invalid manifest: it has {layers} layers, its configuration {diffs}")]
    Layers {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diffs: usize,
    },
    /// There is no such tag to push.
    #[error("tag does not exist: {0}")]
    NoTag(String),
    /// There is nothing to push.
    #[error("An image does not exist locally with the tag: {0}")]
    NoImage(String),
    /// A reference by digest cannot be pushed.
    #[error("cannot push a digest reference")]
    PushDigest,
    /// The registry does not hand a blob over from one of its repositories to another.
    #[error("the registry does not mount blob {digest} from {from}")]
    NotMounted {
        /// Which blob.
        digest: Digest,
        /// The familiar name of the repository that has it.
        from: String,
    },
    /// The registry refuses who we are.
    #[error(transparent)]
    Refused(Refused),
    /// What a thread was doing panicked.
    #[error("a transfer's thread failed")]
    Thread,
    /// It was called off.
    #[error("context canceled")]
    Cancelled,
}

/// A registry's refusal inside another error's text; not its source, because that would be told twice.
#[derive(Debug, Clone)]
pub struct Told(Arc<RegistryError>);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl From<RegistryError> for TransferError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Cancelled => Self::Cancelled,
            error => Self::Registry(Arc::new(error)),
        }
    }
}

impl From<ImageError> for TransferError {
    fn from(error: ImageError) -> Self {
        Self::Image(Arc::new(error))
    }
}

impl From<ManifestError> for TransferError {
    fn from(error: ManifestError) -> Self {
        RegistryError::from(error).into()
    }
}

impl TransferError {
    /// A failed look at a manifest, told as dockerd does.
    pub(super) fn of_manifest(error: RegistryError, reference: &ImageRef) -> Self {
        let error = Arc::new(error);
        let told = Told(Arc::clone(&error));
        if error.is("DENIED", 403) {
            let name = reference.familiar_name();
            return Self::Denied { name, told };
        }
        if error.is("NAME_UNKNOWN", 0) {
            let name = reference.familiar_name();
            return Self::NoRepository { name, told };
        }
        if error.is("MANIFEST_UNKNOWN", 404) {
            let name = reference.familiar();
            return Self::NoManifest { name, told };
        }
        Self::Registry(error)
    }

    /// A failed push, told as dockerd does: which request it was does not matter there.
    pub(super) fn of_push(error: RegistryError) -> Self {
        match error {
            RegistryError::Unauthorized { cause, .. } => Self::Refused(cause),
            other => other.into(),
        }
    }
}

impl Classify for TransferError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Registry(error) => error.kind(),
            Self::Image(error) => error.kind(),
            Self::Denied { .. } | Self::NoManifest { .. } | Self::NoRepository { .. } => {
                ErrorKind::NotFound
            }
            Self::NoTag(_) | Self::NoImage(_) => ErrorKind::NotFound,
            Self::OperatingSystem(_) | Self::Layers { .. } | Self::PushDigest => {
                ErrorKind::InvalidArgument
            }
            Self::Refused(_) => ErrorKind::Unauthenticated,
            Self::NotMounted { .. } => ErrorKind::FailedPrecondition,
            Self::Thread => ErrorKind::Internal,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}
