//! Why operations on volumes fail, in dockerd's texts where it has them.

use std::{io, path::PathBuf};

use gantry_errors::{Classify, ErrorKind};
use gantry_ids::NameError;

use super::local::{MountFailed, OptionError};
use crate::store::StoreError;

/// Why an operation on a volume failed; dockerd's texts.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// A crash test's instant.
    #[error(transparent)]
    Injected(#[from] gantry_telemetry::Injected),
    /// No such volume.
    #[error("get {0}: no such volume")]
    NoSuchVolume(String),
    /// Containers use it.
    #[error("{step} {name}: volume is in use - [{users}]")]
    InUse {
        step: &'static str,
        name: String,
        users: String,
    },
    /// A new name that another volume has.
    #[error("a volume or a directory of volumes is named {0} already")]
    NameTaken(String),
    /// Contents are put into empty volumes only.
    #[error("import into {0}: the volume is not empty")]
    NotEmpty(String),
    /// The archive is no good, or cannot be kept.
    #[error("import into {name}")]
    Contents {
        name: String,
        #[source]
        source: io::Error,
    },
    /// It has options, so that its contents are elsewhere.
    #[error(
        "import into {0}: the volume is a mount of its own (it has options), and only a container can fill it"
    )]
    OwnMount(String),
    /// A name that is none.
    #[error("create {name}: {source}")]
    Name {
        name: String,
        #[source]
        source: NameError,
    },
    /// A driver other than the local one.
    #[error(
        "create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
    )]
    Driver { name: String, driver: String },
    /// Options that cannot be used.
    #[error("create {name}")]
    Options {
        name: String,
        #[source]
        source: OptionError,
    },
    /// Its own mount.
    #[error("error while mounting volume '{path}'", path = path.display())]
    Mount {
        path: PathBuf,
        #[source]
        source: MountFailed,
    },
    /// Its directory.
    #[error("{step} volume {name}")]
    Directory {
        step: &'static str,
        name: String,
        #[source]
        source: io::Error,
    },
    /// Its record.
    #[error("keep the record of volume {name}")]
    Persist {
        name: String,
        #[source]
        source: StoreError,
    },
    /// A record that cannot be read.
    #[error("decode the record of volume {name}")]
    Record {
        name: String,
        #[source]
        source: serde_json::Error,
    },
}

impl Classify for VolumeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchVolume(_) | Self::Driver { .. } => ErrorKind::NotFound,
            Self::InUse { .. } | Self::NameTaken(_) | Self::NotEmpty(_) => ErrorKind::Conflict,
            Self::OwnMount(_) | Self::Contents { .. } => ErrorKind::InvalidArgument,
            Self::Name { .. } | Self::Options { .. } => ErrorKind::InvalidArgument,
            Self::Mount { .. }
            | Self::Directory { .. }
            | Self::Injected(_)
            | Self::Persist { .. }
            | Self::Record { .. } => ErrorKind::Internal,
        }
    }
}
