//! Why a request to the task could not be met.

use std::io;
use std::path::PathBuf;

use gantry_cgroup::CgroupError;
use gantry_errors::{Classify, ErrorKind};
use gantry_probe::Injected;
use gantry_stdio::SocketError;
use thiserror::Error;

use crate::console::ConsoleError;
use crate::rootfs::RootfsError;
use crate::runtime::RuntimeError;
use crate::stdio::{StdioError, TargetError};

/// See the module; the texts are containerd's where stock clients read them.
#[derive(Debug, Error)]
pub(crate) enum TaskError {
    #[error("no such task {0}: not found")]
    NoTask(String),
    #[error("process {0} does not exist: not found")]
    NoProcess(String),
    #[error("task {0} already exists: already exists")]
    TaskExists(String),
    #[error("id {0}: already exists")]
    ProcessExists(String),
    #[error("exec id {0:?} is not a plain name: invalid argument")]
    ExecId(String),
    #[error("cannot {verb} a {state} process")]
    State {
        verb: &'static str,
        state: &'static str,
    },
    #[error("process already finished: not found")]
    Finished,
    #[error("{0} is not supported by this shim")]
    Unsupported(&'static str),
    #[error("a request without its {0}: invalid argument")]
    Missing(&'static str),
    #[error("signal {0} does not exist: invalid argument")]
    Signal(u32),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Stdio(#[from] StdioError),
    #[error(transparent)]
    Console(#[from] ConsoleError),
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("stdio socket")]
    Socket(#[from] SocketError),
    #[error("control group")]
    Cgroup(#[from] CgroupError),
    #[error("write {path}")]
    Bundle {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("signal the process")]
    Kill(#[source] io::Error),
    #[error(transparent)]
    Injected(#[from] Injected),
}

impl Classify for TaskError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoTask(_) | Self::NoProcess(_) | Self::Finished => ErrorKind::NotFound,
            Self::TaskExists(_) | Self::ProcessExists(_) => ErrorKind::AlreadyExists,
            Self::State { .. } => ErrorKind::FailedPrecondition,
            Self::Unsupported(_) => ErrorKind::Unimplemented,
            Self::ExecId(_) | Self::Missing(_) | Self::Signal(_) | Self::Target(_) => {
                ErrorKind::InvalidArgument
            }
            Self::Runtime(error) => error.kind(),
            Self::Stdio(StdioError::NoTerminal) => ErrorKind::FailedPrecondition,
            Self::Stdio(_)
            | Self::Console(_)
            | Self::Rootfs(_)
            | Self::Socket(_)
            | Self::Cgroup(_)
            | Self::Bundle { .. }
            | Self::Kill(_)
            | Self::Injected(_) => ErrorKind::Unknown,
        }
    }
}
