//! Why a shim did not do what it was told.

use std::path::PathBuf;
use std::time::Duration;

use gantry_errors::{Classify, ErrorKind};
use gantry_proto::convert::status::to_kind;
use tonic::Status;

/// A call's failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShimError {
    /// Nobody listens on its socket.
    #[error("connect to shim at {path}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: tonic::transport::Error,
    },
    /// It answered with a failure, in words that clients parse.
    #[error("{0}")]
    Answer(Answered),
    /// It did not answer in time.
    #[error("shim did not answer {call} within {} s", .after.as_secs())]
    Deadline {
        /// What it was asked.
        call: &'static str,
        /// How long it had.
        after: Duration,
    },
    /// Its process could not be taken hold of.
    #[error("watch shim process {pid}")]
    Watch {
        /// The process id it told.
        pid: u32,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
}

/// A shim's own failure: its kind, and its words with the kind at their end, as containerd passes
/// errors on.
#[derive(Debug)]
pub(crate) struct Answered {
    kind: ErrorKind,
    text: String,
}

impl std::fmt::Display for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)?;
        let kind = self.kind.to_string();
        if self.text.ends_with(&kind) {
            Ok(())
        } else {
            write!(f, ": {kind}")
        }
    }
}

impl From<Status> for ShimError {
    fn from(status: Status) -> Self {
        Self::Answer(Answered {
            kind: to_kind(status.code()),
            text: status.message().to_owned(),
        })
    }
}

impl Classify for ShimError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { .. } | Self::Watch { .. } => ErrorKind::Unavailable,
            Self::Answer(answered) => answered.kind,
            Self::Deadline { .. } => ErrorKind::DeadlineExceeded,
        }
    }
}
