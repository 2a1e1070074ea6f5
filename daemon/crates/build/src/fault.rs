//! Why a build failed, with the place in the Dockerfile.

use std::io;

use gantry_dockerfile::{Lines, Source, quote};
use gantry_errors::{Classify, ErrorKind};
use gantry_git::GitError;
use gantry_ids::{Digest, ReferenceError};
use gantry_image::ImageError;
use gantry_layer::LayerError;

use crate::port::{Refusal, RunError};
use crate::{CopyError, IgnoreFault};

/// A build failed. What was done before is kept for the next one.
#[derive(Debug, thiserror::Error)]
#[error("{}", .fault)]
pub struct BuildError {
    /// Why.
    #[source]
    pub fault: Box<Fault>,
    /// The instructions concerned; none if it is the build as a whole.
    pub lines: Vec<Lines>,
    /// The piece of work that failed, if it was one.
    pub vertex: Option<Digest>,
}

impl BuildError {
    /// A fault of the build as a whole.
    pub fn new(fault: impl Into<Fault>) -> Self {
        Self {
            fault: Box::new(fault.into()),
            lines: Vec::new(),
            vertex: None,
        }
    }

    /// A fault with a place in the Dockerfile.
    pub fn at(fault: impl Into<Fault>, lines: Lines) -> Self {
        Self {
            lines: vec![lines],
            ..Self::new(fault)
        }
    }

    /// The source around the fault, as BuildKit shows it; empty without a place.
    #[must_use]
    pub fn excerpt(&self, source: &Source) -> String {
        match &*self.fault {
            Fault::Dockerfile(error) => error.excerpt(source),
            _ => source.excerpt(&self.lines, None),
        }
    }

    /// Whether it failed only because it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.kind() == ErrorKind::Cancelled
    }
}

impl Classify for BuildError {
    fn kind(&self) -> ErrorKind {
        match &*self.fault {
            Fault::Dockerfile(_)
            | Fault::Ignore(_)
            | Fault::Reference { .. }
            | Fault::NoContext
            | Fault::Missing { .. }
            | Fault::Epoch(_)
            | Fault::Checksum { .. } => ErrorKind::InvalidArgument,
            Fault::Copy(_) | Fault::Exit { .. } | Fault::Fetch { .. } => ErrorKind::Unknown,
            Fault::Refused(refusal) | Fault::Run(RunError::Refused(refusal)) => refusal.kind,
            Fault::Cancelled | Fault::Run(RunError::Cancelled) => ErrorKind::Cancelled,
            Fault::NotEntitled(_) => ErrorKind::PermissionDenied,
            Fault::NotBuilt(_) | Fault::Frontend(_) => ErrorKind::Unimplemented,
            Fault::Git(error) => error.kind(),
            Fault::Image(error) => error.kind(),
            Fault::Layer(error) => error.kind(),
            Fault::Io { source, .. } => source.kind().into(),
        }
    }
}

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The Dockerfile makes no build.
    #[error(transparent)]
    Dockerfile(#[from] gantry_dockerfile::Error),
    /// The ignore file.
    #[error(transparent)]
    Ignore(#[from] IgnoreFault),
    /// `# syntax=` names something else than docker's own frontend.
    #[error("the frontend {0} is not supported: only docker/dockerfile is, and it is built in")]
    Frontend(String),
    /// The name of a base image.
    #[error("{name}")]
    Reference {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: ReferenceError,
    },
    /// Files of the context are needed and there is none.
    #[error("the build needs files of its context, and none was given")]
    NoContext,
    /// A secret or agent that the step must have and the client does not have.
    #[error("{kind} {id}: not found")]
    Missing {
        /// `secret` or `agent`.
        kind: &'static str,
        /// Its name.
        id: String,
    },
    /// A step uses what the client did not allow (`--allow`).
    #[error("{0} is not allowed")]
    NotEntitled(&'static str),
    /// `SOURCE_DATE_EPOCH`.
    #[error("invalid SOURCE_DATE_EPOCH: {0}")]
    Epoch(String),
    /// What `ADD` fetched is not what `--checksum` says.
    #[error("digest mismatch {actual}: {wanted}")]
    Checksum {
        /// What it is.
        actual: String,
        /// What it should be.
        wanted: String,
    },
    /// What `ADD` names cannot be fetched.
    #[error("fetch {url}: {reason}")]
    Fetch {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// A repository that `ADD` or a context names was not fetched.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Files could not be copied.
    #[error("failed to compute cache key: failed to calculate checksum")]
    Copy(#[from] CopyError),
    /// A program failed.
    #[error(
        "process {} did not complete successfully: exit code: {code}",
        quote(command)
    )]
    Exit {
        /// The program with its arguments, spaces between them.
        command: String,
        /// Its exit code.
        code: u32,
    },
    /// A program could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The client or the registry said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The build was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
    /// Not built yet.
    #[error("{0} is not supported yet")]
    NotBuilt(&'static str),
    /// The image store.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The layer store.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A file of the engine's own.
    #[error("{what}")]
    Io {
        /// What was done to which file.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Fault {
    /// For `map_err`: what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
