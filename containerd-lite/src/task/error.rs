//! Why a task did not do what a client asked.

use gantry_errors::{Classify, ErrorKind};

use super::machine::Rejected;
use super::process::ProcessId;
use super::record::RecordError;
use crate::names::ContainerId;
use crate::shim::{BundleError, LaunchError, ShimError};
use crate::store::StoreError;

/// A call's failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// There is no such task.
    #[error("task {0} not found")]
    NoTask(ContainerId),
    /// There is no such process.
    #[error("process {process} of task {task} does not exist: not found")]
    NoProcess {
        /// The task.
        task: ContainerId,
        /// The process.
        process: ProcessId,
    },
    /// The process has ended already.
    #[error("process already finished: not found")]
    Finished,
    /// There is a task of that name.
    #[error("task {0}: already exists")]
    Exists(ContainerId),
    /// The task's state does not allow it.
    #[error("task {task}")]
    Rejected {
        /// The task.
        task: ContainerId,
        /// Why not.
        #[source]
        source: Rejected,
    },
    /// There is no such container to make a task of.
    #[error(transparent)]
    Container(StoreError),
    /// The bundle could not be made.
    #[error("prepare the bundle of {task}")]
    Bundle {
        /// The task.
        task: ContainerId,
        /// What failed.
        #[source]
        source: BundleError,
    },
    /// The task's record could not be written.
    #[error("record task {task}")]
    Record {
        /// The task.
        task: ContainerId,
        /// What failed.
        #[source]
        source: RecordError,
    },
    /// The shim could not be started.
    #[error("failed to start shim")]
    Launch(#[source] LaunchError),
    /// The shim could not create the task. Clients parse these words.
    #[error("failed to create shim task")]
    Create(#[source] ShimError),
    /// The shim refused or failed.
    #[error(transparent)]
    Shim(ShimError),
    /// A crash test's doing.
    #[error(transparent)]
    Injected(#[from] gantry_telemetry::Injected),
}

impl Classify for TaskError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoTask(_) | Self::NoProcess { .. } | Self::Finished => ErrorKind::NotFound,
            Self::Exists(_) => ErrorKind::AlreadyExists,
            Self::Rejected { source, .. } => source.kind(),
            Self::Container(source) => source.kind(),
            Self::Bundle { source, .. } => source.kind(),
            Self::Record { source, .. } => source.kind(),
            Self::Launch(source) => source.kind(),
            Self::Create(source) | Self::Shim(source) => source.kind(),
            Self::Injected(_) => ErrorKind::Internal,
        }
    }
}

impl Classify for Rejected {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoTask | Self::NoExec(_) => ErrorKind::NotFound,
            Self::ExecExists(_) => ErrorKind::AlreadyExists,
            Self::Phase { .. } | Self::Deleting => ErrorKind::FailedPrecondition,
            Self::Recovering => ErrorKind::Unavailable,
        }
    }
}
