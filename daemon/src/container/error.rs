//! Why an operation on a container failed, in dockerd's words.

use std::{io, path::PathBuf};

use gantry_errors::{Classify, ErrorKind};
use gantry_ids::{ContainerId, NameError};
use gantry_image::ImageError;
use gantry_network::NetworkError;

use super::{
    mounts::MountError, names::LookupError, refusal::Refusal, restart::PolicyError, spec::SpecError,
};
use crate::{
    runtime::{RuntimeError, stdio::HandoverError},
    store::StoreError,
    volume::{
        VolumeError,
        subpath::{NoOwners, NoSubpath},
    },
};

/// A failed operation.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// No such container, an ambiguous prefix, a name that is taken.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A field of the request cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// A request dockerd answers with 500 although it is the client's.
    #[error("{0}")]
    InvalidInternal(String),
    /// A restart policy that cannot be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A mount that cannot be.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The state does not allow it (409).
    #[error("{0}")]
    Conflict(String),
    /// An update that failed, in dockerd's words.
    #[error("Cannot update container {id}")]
    Update {
        id: ContainerId,
        #[source]
        source: Box<ContainerError>,
    },
    /// It is so already (304).
    #[error("container {0} is already so")]
    NotModified(ContainerId),
    /// Something named in the request does not exist (404).
    #[error("{0}")]
    NotFound(String),
    /// Not allowed here (403).
    #[error("{0}")]
    Forbidden(String),
    /// A part that later issues bring (501).
    #[error("{0} is not built yet in Gantry")]
    NotBuilt(&'static str),
    /// The image store.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The networks.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A container could not join its network.
    #[error("failed to set up container networking")]
    Connect(#[source] NetworkError),
    /// The volumes.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// A path within a volume.
    #[error(transparent)]
    Subpath(#[from] NoSubpath),
    /// Owners of files that cannot be mapped.
    #[error(transparent)]
    Owners(#[from] NoOwners),
    /// The specification could not be made.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A start that failed; the text is the runtime's.
    #[error("{}", .0.message)]
    Start(Refusal),
    /// The supervisor.
    #[error("{step}")]
    Runtime {
        step: &'static str,
        #[source]
        source: RuntimeError,
    },
    /// A client's stream.
    #[error("attach to container {id}")]
    Attach {
        id: ContainerId,
        #[source]
        source: HandoverError,
    },
    /// The store.
    #[error("keep the record of container {id}")]
    Persist {
        id: ContainerId,
        #[source]
        source: StoreError,
    },
    /// There is no room for another.
    #[error(transparent)]
    Full(#[from] crate::space::Full),
    /// A file of the container.
    #[error("{step} {path}")]
    File {
        step: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The container's owner has ended: it is being removed.
    #[error("No such container: {0}")]
    Gone(ContainerId),
    /// A crash test's error.
    #[error(transparent)]
    Injected(#[from] gantry_telemetry::Injected),
}

impl Classify for ContainerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Lookup(LookupError::Conflict { .. }) | Self::Conflict(_) => ErrorKind::Conflict,
            Self::Lookup(LookupError::NoSuchContainer(_)) | Self::NotFound(_) | Self::Gone(_) => {
                ErrorKind::NotFound
            }
            Self::Mount(MountError::NotBuilt(_)) | Self::NotBuilt(_) => ErrorKind::Unimplemented,
            Self::Mount(error) if error.is_internal() => ErrorKind::Internal,
            Self::Spec(SpecError::Rate(_)) => ErrorKind::Internal,
            Self::Lookup(LookupError::Ambiguous(_))
            | Self::Name(_)
            | Self::Invalid(_)
            | Self::Policy(_)
            | Self::Mount(_)
            | Self::Owners(_)
            | Self::Spec(_) => ErrorKind::InvalidArgument,
            Self::Start(refusal) if refusal.blames_request() => ErrorKind::InvalidArgument,
            Self::Forbidden(_) => ErrorKind::PermissionDenied,
            Self::NotModified(_) => ErrorKind::NotModified,
            Self::Full(_) => ErrorKind::ResourceExhausted,
            Self::Image(error) => error.kind(),
            Self::Network(error) | Self::Connect(error) => error.kind(),
            Self::Volume(error) => error.kind(),
            Self::Update { source, .. } => source.kind(),
            Self::Runtime { source, .. } if source.is_not_found() => ErrorKind::NotFound,
            Self::InvalidInternal(_)
            | Self::Start(_)
            | Self::Runtime { .. }
            | Self::Attach { .. }
            | Self::Persist { .. }
            | Self::Subpath(_)
            | Self::File { .. }
            | Self::Injected(_) => ErrorKind::Internal,
        }
    }
}
