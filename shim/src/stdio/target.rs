//! What a task's `stdin`, `stdout` and `stderr` fields name.

use std::path::PathBuf;

use gantry_stdio::{StdioUri, UriError};
use thiserror::Error;

/// Why a stream's name cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TargetError {
    /// A malformed `gantry://` URI.
    #[error("stdio uri")]
    Uri(#[from] UriError),
    /// A scheme that this shim does not serve.
    #[error("stdio scheme {0:?} is not supported")]
    Scheme(String),
    /// Neither a URI nor an absolute path.
    #[error("stdio path {0:?} is not absolute")]
    Relative(String),
    /// The three streams name different sockets.
    #[error("the streams of one process name different stdio uris")]
    Mixed,
}

/// One stream's other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/dev/null`.
    Null,
    /// Our log and socket.
    Gantry(StdioUri),
    /// A FIFO of the client's.
    Fifo(PathBuf),
    /// A file to append to.
    File(PathBuf),
}

impl Target {
    /// Parses one field.
    pub(crate) fn parse(text: &str) -> Result<Self, TargetError> {
        if text.is_empty() {
            return Ok(Self::Null);
        }
        if StdioUri::claims(text) {
            return Ok(Self::Gantry(text.parse()?));
        }
        match text.split_once("://") {
            Some(("file", path)) => absolute(path).map(Self::File),
            Some(("fifo", path)) => absolute(path).map(Self::Fifo),
            Some((scheme, _)) => Err(TargetError::Scheme(scheme.to_owned())),
            None => absolute(text).map(Self::Fifo),
        }
    }
}

fn absolute(text: &str) -> Result<PathBuf, TargetError> {
    let path = PathBuf::from(text);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(TargetError::Relative(text.to_owned()))
    }
}

/// The three streams of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Targets {
    pub(crate) stdin: Target,
    pub(crate) stdout: Target,
    pub(crate) stderr: Target,
    /// One terminal in place of three pipes; its output goes to `stdout`.
    pub(crate) terminal: bool,
}

impl Targets {
    /// Parses the three fields.
    pub(crate) fn parse(
        [stdin, stdout, stderr]: [&str; 3],
        terminal: bool,
    ) -> Result<Self, TargetError> {
        let targets = Self {
            stdin: Target::parse(stdin)?,
            stdout: Target::parse(stdout)?,
            stderr: if terminal {
                Target::Null
            } else {
                Target::parse(stderr)?
            },
            terminal,
        };
        let mut sockets = [&targets.stdin, &targets.stdout, &targets.stderr]
            .into_iter()
            .filter_map(|target| match target {
                Target::Gantry(uri) => Some(uri),
                Target::Null | Target::Fifo(_) | Target::File(_) => None,
            });
        let first = sockets.next();
        if sockets.all(|uri| Some(uri) == first) {
            Ok(targets.clone())
        } else {
            Err(TargetError::Mixed)
        }
    }

    /// Our URI, where any stream names it.
    pub(crate) fn uri(&self) -> Option<&StdioUri> {
        [&self.stdout, &self.stderr, &self.stdin]
            .into_iter()
            .find_map(|target| match target {
                Target::Gantry(uri) => Some(uri),
                Target::Null | Target::Fifo(_) | Target::File(_) => None,
            })
    }
}
