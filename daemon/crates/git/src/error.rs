//! Why a repository was not fetched.

use std::io;
use std::path::PathBuf;

use gantry_errors::{Classify, ErrorKind};

use crate::AddressError;

/// A repository was not fetched. Texts are BuildKit's where it has one; no password is in them.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The address makes no sense.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no `git` on the host.
    #[error("fetch {remote}: the program git was not found: install git on the engine's host")]
    NotInstalled {
        /// The repository.
        remote: String,
    },
    /// `git` could not be run.
    #[error("run git for {remote}")]
    Run {
        /// The repository.
        remote: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `git` said no.
    #[error("failed to fetch remote {remote}: git: {said}")]
    Failed {
        /// The repository.
        remote: String,
        /// What `git` said.
        said: String,
    },
    /// There is no such branch, tag or commit.
    #[error("repository does not contain ref {reference}: {remote}")]
    NoReference {
        /// The repository.
        remote: String,
        /// The name.
        reference: String,
    },
    /// The commit is another one.
    #[error("expected checksum to match {wanted}, got {actual}")]
    Checksum {
        /// What its name should begin with.
        wanted: String,
        /// Its name.
        actual: String,
    },
    /// The directory is no directory of the repository.
    #[error("invalid subdir /{subdir}: {reason} in {remote}")]
    Subdir {
        /// The repository.
        remote: String,
        /// The directory.
        subdir: String,
        /// What it is.
        reason: &'static str,
    },
    /// It would become more than a build may have.
    #[error("the repository {remote} has more than {limit}")]
    TooMuch {
        /// The repository.
        remote: String,
        /// How much it may have.
        limit: &'static str,
    },
    /// The caller does not want it any more.
    #[error("the build was cancelled")]
    Stopped,
    /// A file of the tree.
    #[error("keep the files of a repository: {}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Classify for GitError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Address(_) | Self::Checksum { .. } | Self::TooMuch { .. } => {
                ErrorKind::InvalidArgument
            }
            Self::NotInstalled { .. } => ErrorKind::FailedPrecondition,
            Self::Failed { .. } => ErrorKind::Unknown,
            Self::NoReference { .. } | Self::Subdir { .. } => ErrorKind::NotFound,
            Self::Stopped => ErrorKind::Cancelled,
            Self::Run { .. } | Self::File { .. } => ErrorKind::Internal,
        }
    }
}
