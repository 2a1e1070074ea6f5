//! The one table between [`ErrorKind`] and gRPC codes.
//!
//! gRPC has no code for a conflict or for "already so"; both travel as codes that stock clients
//! understand, and the more common kind is taken on the way back.

use gantry_errors::{Classify, ErrorKind, chain};
use tonic::{Code, Status};

/// The code a kind travels as.
#[must_use]
pub fn to_code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::FailedPrecondition | ErrorKind::NotModified => Code::FailedPrecondition,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::Unimplemented => Code::Unimplemented,
        ErrorKind::DataLoss => Code::DataLoss,
        ErrorKind::Unknown => Code::Unknown,
        ErrorKind::Internal => Code::Internal,
    }
}

/// The kind a code stands for.
#[must_use]
pub fn to_kind(code: Code) -> ErrorKind {
    match code {
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists => ErrorKind::AlreadyExists,
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::InvalidArgument,
        Code::FailedPrecondition => ErrorKind::FailedPrecondition,
        Code::Aborted => ErrorKind::Conflict,
        Code::Unavailable => ErrorKind::Unavailable,
        Code::PermissionDenied => ErrorKind::PermissionDenied,
        Code::Unauthenticated => ErrorKind::Unauthenticated,
        Code::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        Code::Cancelled => ErrorKind::Cancelled,
        Code::ResourceExhausted => ErrorKind::ResourceExhausted,
        Code::Unimplemented => ErrorKind::Unimplemented,
        Code::DataLoss => ErrorKind::DataLoss,
        Code::Ok | Code::Unknown => ErrorKind::Unknown,
        Code::Internal => ErrorKind::Internal,
    }
}

/// An error as the answer to a call: its kind and its whole chain of causes.
#[must_use]
pub fn to_status<E: Classify>(error: &E) -> Status {
    Status::new(to_code(error.kind()), chain(error).to_string())
}

#[cfg(test)]
mod tests {
    use super::{to_code, to_kind};
    use gantry_errors::ErrorKind;

    #[test]
    fn kinds_survive_the_wire() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::AlreadyExists,
            ErrorKind::InvalidArgument,
            ErrorKind::FailedPrecondition,
            ErrorKind::Conflict,
            ErrorKind::Unavailable,
            ErrorKind::PermissionDenied,
            ErrorKind::Unauthenticated,
            ErrorKind::DeadlineExceeded,
            ErrorKind::Cancelled,
            ErrorKind::ResourceExhausted,
            ErrorKind::Unimplemented,
            ErrorKind::DataLoss,
            ErrorKind::Unknown,
            ErrorKind::Internal,
        ] {
            assert_eq!(to_kind(to_code(kind)), kind);
        }
        assert_eq!(
            to_kind(to_code(ErrorKind::NotModified)),
            ErrorKind::FailedPrecondition
        );
    }
}
