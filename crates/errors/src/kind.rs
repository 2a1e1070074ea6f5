//! The closed list of failure kinds.

use std::error::Error;
use std::fmt;

/// What kind of failure an error is: what a caller may do about it, not where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The named object does not exist.
    NotFound,
    /// An object of that name exists already.
    AlreadyExists,
    /// The request is malformed; it fails in any state.
    InvalidArgument,
    /// The request is sound but the object is not in a state that allows it.
    FailedPrecondition,
    /// The request collides with another use of the object (a name taken, a removal in progress).
    Conflict,
    /// A part that is needed does not answer now; trying again later may work.
    Unavailable,
    /// The caller may not do this.
    PermissionDenied,
    /// The caller has not said who it is.
    Unauthenticated,
    /// The time that was given ran out.
    DeadlineExceeded,
    /// The caller went away or called it off.
    Cancelled,
    /// A limit was reached: disk, memory, addresses, descriptors.
    ResourceExhausted,
    /// This engine does not do that.
    Unimplemented,
    /// The object is already as the request wants it.
    NotModified,
    /// Stored data is damaged.
    DataLoss,
    /// The failure of something else, told in its own words; stock clients parse the text.
    Unknown,
    /// A fault of this program or of the machine.
    Internal,
}

/// An error that knows its kind.
pub trait Classify: Error {
    /// The kind of this failure.
    fn kind(&self) -> ErrorKind;

    /// One sentence telling the user what to do about it, where there is something to do.
    fn hint(&self) -> Option<String> {
        None
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::InvalidArgument => "invalid argument",
            Self::FailedPrecondition => "failed precondition",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::PermissionDenied => "permission denied",
            Self::Unauthenticated => "unauthenticated",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::Cancelled => "cancelled",
            Self::ResourceExhausted => "resource exhausted",
            Self::Unimplemented => "not implemented",
            Self::NotModified => "not modified",
            Self::DataLoss => "data loss",
            Self::Unknown => "unknown",
            Self::Internal => "internal",
        })
    }
}

impl From<std::io::ErrorKind> for ErrorKind {
    fn from(kind: std::io::ErrorKind) -> Self {
        use std::io::ErrorKind as Io;
        match kind {
            Io::NotFound => Self::NotFound,
            Io::AlreadyExists => Self::AlreadyExists,
            Io::PermissionDenied => Self::PermissionDenied,
            Io::InvalidInput | Io::InvalidData => Self::InvalidArgument,
            Io::TimedOut => Self::DeadlineExceeded,
            Io::StorageFull | Io::QuotaExceeded | Io::OutOfMemory => Self::ResourceExhausted,
            Io::ConnectionRefused | Io::ConnectionReset | Io::BrokenPipe => Self::Unavailable,
            Io::Unsupported => Self::Unimplemented,
            _ => Self::Internal,
        }
    }
}
