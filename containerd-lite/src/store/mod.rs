//! Durable definitions: namespaces, containers, leases.
//!
//! One redb database, opened by this program alone. Readers look at the last committed state and never
//! wait; changes go through one thread that commits all that are waiting together, so that ten
//! containers made at once cost one sync. A change is announced only after its commit, and all but
//! those whose callers need less after its sync.

mod containers;
mod leases;
mod namespaces;
mod record;
mod tables;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_errors::{Classify, ErrorKind};
use redb::Database;

use crate::names::{ContainerId, Namespace};

pub(crate) use containers::{ContainerChange, Field};
pub(crate) use leases::Resource;
pub(crate) use namespaces::LabelChange;
pub(crate) use record::{Container, Lease, Runtime};
pub(crate) use writer::When;

/// What the database keeps in memory, in bytes. The kernel's page cache holds the rest.
const CACHE_BYTES: usize = 1 << 20;

/// Why a definition could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The database file cannot be opened.
    #[error("open the database {path}")]
    Open {
        /// Its file.
        path: PathBuf,
        /// What the database says.
        #[source]
        source: redb::DatabaseError,
    },
    /// A read or a write failed.
    #[error("use the database")]
    Database(#[source] Box<redb::Error>),
    /// The commit failed; nothing was changed.
    #[error("commit: {0}")]
    Commit(Arc<str>),
    /// The thread that writes has ended.
    #[error("the database is closed")]
    Closed,
    /// A record is not what was written.
    #[error("the record of {what} is damaged")]
    Damaged {
        /// What it describes.
        what: String,
        /// What the decoder says.
        #[source]
        source: serde_json::Error,
    },
    /// No such container.
    #[error("container \"{id}\" in namespace \"{namespace}\": not found")]
    NoContainer {
        /// The container.
        id: ContainerId,
        /// Where it was looked for.
        namespace: Namespace,
    },
    /// A container of that name exists.
    #[error("container \"{0}\": already exists")]
    ContainerExists(ContainerId),
    /// No such namespace.
    #[error("namespace \"{0}\": not found")]
    NoNamespace(Namespace),
    /// A namespace of that name exists.
    #[error("namespace \"{0}\": already exists")]
    NamespaceExists(Namespace),
    /// A namespace that holds something is not deleted.
    #[error("namespace \"{0}\" must be empty, but it still has {1}: failed precondition")]
    NotEmpty(Namespace, &'static str),
    /// No such lease.
    #[error("lease {0:?}: not found")]
    NoLease(String),
    /// A lease of that name exists.
    #[error("lease {0:?}: already exists")]
    LeaseExists(String),
}

impl Classify for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoContainer { .. } | Self::NoNamespace(_) | Self::NoLease(_) => {
                ErrorKind::NotFound
            }
            Self::ContainerExists(_) | Self::NamespaceExists(_) | Self::LeaseExists(_) => {
                ErrorKind::AlreadyExists
            }
            Self::NotEmpty(..) => ErrorKind::FailedPrecondition,
            Self::Damaged { .. } => ErrorKind::DataLoss,
            Self::Closed => ErrorKind::Unavailable,
            Self::Open { .. } | Self::Database(_) | Self::Commit(_) => ErrorKind::Internal,
        }
    }
}

/// All of redb's errors mean the same here: the database cannot be used.
fn database<E: Into<redb::Error>>(error: E) -> StoreError {
    StoreError::Database(Box::new(error.into()))
}

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    database: Arc<Database>,
    writer: writer::Writer,
}

impl Store {
    /// Opens the database in `root`, repairing what a killed process left.
    ///
    /// # Errors
    /// The file is not a database, or another process has it open.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        let path = root.join("containerd.redb");
        let database = gantry_ledger::open(&path, Some(CACHE_BYTES));
        let database = database.map_err(|source| StoreError::Open { path, source })?;
        let database = Arc::new(database);
        tables::create(&database)?;
        let writer = writer::Writer::start(Arc::clone(&database));
        Ok(Self { database, writer })
    }
}

#[cfg(test)]
mod tests;
