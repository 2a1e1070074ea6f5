//! What can go wrong between us and the kernel.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::attribute::Malformed;

/// The kernel's answer to a message that it did not carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, as a number.
    pub errno: Errno,
    /// Why, in the kernel's words (extended acknowledgement), if it said.
    pub message: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{} ({message})", io::Error::from(self.errno)),
            None => fmt::Display::fmt(&io::Error::from(self.errno), f),
        }
    }
}

impl std::error::Error for Refusal {}

/// A netlink exchange failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The socket itself.
    #[error("{step} netlink socket")]
    Socket {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel refused one message; of an atomic batch then nothing was done.
    #[error("{what}")]
    Refused {
        /// What the message asked for.
        what: String,
        /// The answer.
        source: Refusal,
    },
    /// The answer could not be read.
    #[error("{what}")]
    Malformed {
        /// What was asked.
        what: String,
        /// Where reading stopped.
        source: Malformed,
    },
    /// A list changed while it was read, again and again.
    #[error("{0}: the list kept changing while it was read")]
    Restless(String),
}

impl Error {
    /// The kernel's error number, if it was the kernel that refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { source, .. } => Some(source.errno),
            Self::Socket { .. } | Self::Malformed { .. } | Self::Restless(_) => None,
        }
    }
}
