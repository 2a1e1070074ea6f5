//! What can go wrong between this program and the engine.

use std::io;

/// Errors of the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// docker's words: scripts look for them.
    #[error("Cannot connect to the Docker daemon at {host}. Is the docker daemon running?")]
    Connect { host: String, cause: io::Error },
    #[error(
        "permission denied while trying to connect to the Docker daemon socket at {host}: {cause}"
    )]
    ConnectDenied { host: String, cause: io::Error },
    #[error("error during connect")]
    Transport(#[source] hyper::Error),
    #[error("{0}")]
    Ssh(String),
    #[error("invalid request")]
    Request(#[source] http::Error),
    /// The engine's refusal, in its own words.
    #[error("Error response from daemon: {message}")]
    Refused { status: u16, message: String },
    #[error("the engine's answer to {what} is not what its API promises")]
    Answer {
        what: String,
        #[source]
        cause: serde_json::Error,
    },
    #[error("unable to upgrade to {what}, received {status}")]
    Hijack { what: String, status: u16 },
}

impl ClientError {
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the engine said that the object does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }
}

/// The engine's own words in an error, where it was the engine that spoke.
pub(crate) fn refusal(error: &anyhow::Error) -> Option<&ClientError> {
    error
        .downcast_ref::<ClientError>()
        .filter(|e| e.status().is_some())
}
