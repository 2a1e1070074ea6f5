//! A container's streams: the URIs that tell the shim where they go, and the hand-over of a client's
//! own socket (`docs/protocols/stdio.md`, ADR 2).

use std::{
    num::{NonZeroU32, NonZeroU64},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use gantry_errors::{Classify, ErrorKind};
use gantry_ids::ContainerId;
use gantry_stdio::{
    Answer, Attach, Connection, JsonFile, LogPlace, Request, SocketError, StdioUri,
};

/// How long the shim may take to take a client over.
const LIMIT: Duration = Duration::from_secs(10);

/// Where a task's output is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    pub path: PathBuf,
    /// Bytes; 0: never rotated.
    pub max_size: u64,
    pub max_file: u32,
    /// Encoded JSON object, or none.
    pub attrs: Option<String>,
}

/// Why a client could not be handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The shim's socket did not take it.
    #[error("hand a client over to the shim")]
    Socket(#[source] SocketError),
    /// The shim refused it.
    #[error("the shim refused a client: {0}")]
    Refused(String),
    /// No duplicate of the client's stream can be had.
    #[error("duplicate a client's stream")]
    Duplicate(#[source] std::io::Error),
    /// The shim went away, or does not answer.
    #[error("the shim did not answer")]
    Silent,
}

impl Classify for HandoverError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Socket(_) | Self::Silent => ErrorKind::Unavailable,
            Self::Refused(_) | Self::Duplicate(_) => ErrorKind::Internal,
        }
    }
}

/// The socket of a container's streams.
#[must_use]
pub fn socket_path(io_dir: &Path, id: &ContainerId) -> PathBuf {
    io_dir.join(format!("{}.sock", &id.as_str()[..16]))
}

/// The URI of a container's own process.
#[must_use]
pub fn uri(socket: PathBuf, log: Option<LogTarget>, stdin_once: bool) -> String {
    let log = log.map(|log| JsonFile {
        path: log.path,
        max_size: NonZeroU64::new(log.max_size),
        max_file: NonZeroU32::new(log.max_file).unwrap_or(NonZeroU32::MIN),
        attrs: log.attrs,
    });
    StdioUri {
        socket,
        log,
        stdin_once,
    }
    .to_string()
}

/// Hands a client's stream to the shim; returns once the session has begun.
///
/// # Errors
/// [`HandoverError`]; the stream is closed then.
pub async fn hand_over(
    socket: PathBuf,
    attach: Attach,
    stream: OwnedFd,
) -> Result<(), HandoverError> {
    match ask(socket, attach, stream).await? {
        (Answer::Ok(_), _) => Ok(()),
        (Answer::Error(text), _) => Err(HandoverError::Refused(text)),
        (Answer::Held(_) | Answer::Ended(_), _) => Err(HandoverError::Silent),
    }
}

/// Hands a duplicate of a client's stream to the shim, which sends nothing on it before
/// [`Held::release`], and tells where the log ended when the session began (`attach.hold`); none if
/// the log is complete.
///
/// # Errors
/// [`HandoverError`]; there is no session then.
pub async fn hold(
    socket: PathBuf,
    attach: Attach,
    stream: &OwnedFd,
) -> Result<(Held, Option<LogPlace>), HandoverError> {
    let duplicate = stream.try_clone().map_err(HandoverError::Duplicate)?;
    match ask(socket, attach, duplicate).await? {
        (Answer::Held(place), connection) => Ok((Held(connection), place)),
        (Answer::Error(text), _) => Err(HandoverError::Refused(text)),
        (Answer::Ok(_) | Answer::Ended(_), _) => Err(HandoverError::Silent),
    }
}

/// A session that the shim holds; dropped, it ends.
#[derive(Debug)]
pub struct Held(Connection);

impl Held {
    /// Lets the client have its output from now on.
    ///
    /// # Errors
    /// The shim has gone.
    pub fn release(self) -> Result<(), HandoverError> {
        let sent = self.0.send_request(&Request::Release, None);
        sent.map_err(HandoverError::Socket)
    }
}

async fn ask(
    socket: PathBuf,
    attach: Attach,
    stream: OwnedFd,
) -> Result<(Answer, Connection), HandoverError> {
    let work = tokio::task::spawn_blocking(move || {
        let connection = Connection::connect(&socket).map_err(HandoverError::Socket)?;
        connection
            .send_request(&Request::Attach(attach), Some(stream.as_fd()))
            .map_err(HandoverError::Socket)?;
        let answer = connection.recv_answer().map_err(HandoverError::Socket)?;
        let (answer, _) = answer.ok_or(HandoverError::Silent)?;
        Ok((answer, connection))
    });
    match tokio::time::timeout(LIMIT, work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Err(HandoverError::Silent),
    }
}
