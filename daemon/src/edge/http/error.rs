//! Errors as HTTP answers: the one table from [`ErrorKind`] to status codes.

use axum::response::{IntoResponse, Response};
use gantry_engine_api::ErrorResponse;
use gantry_engine_api::filters::FilterError;
use gantry_engine_api::json::JsonError;
use gantry_errors::{Classify, ErrorKind, chain};
use http::{HeaderValue, StatusCode, header};

/// An error on its way to a client: a kind and the whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
}

/// What a handler returns.
pub type ApiResult<T = Response> = Result<T, ApiError>;

impl ApiError {
    /// An error in words; the words are the client's to read and, for some, to parse.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// 501: a part of the API that this engine does not have yet.
    #[must_use]
    pub fn not_built(what: &str) -> Self {
        Self::new(
            ErrorKind::Unimplemented,
            format!("{what} is not built yet in Gantry"),
        )
    }

    /// 400 for a body that cannot be read.
    #[must_use]
    pub fn json(error: &JsonError) -> Self {
        Self::invalid(format!("invalid JSON: {error}"))
    }

    /// 400 for a filter that cannot be used.
    #[must_use]
    pub fn filter(error: &FilterError) -> Self {
        Self::invalid(error.to_string())
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl<E: Classify + 'static> From<E> for ApiError {
    fn from(error: E) -> Self {
        let message = match error.hint() {
            Some(hint) => format!("{}: {hint}", chain(&error)),
            None => chain(&error).to_string(),
        };
        Self {
            kind: error.kind(),
            message,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        message(status(self.kind), self.message)
    }
}

/// The table. Kinds that a stock client cannot act on are 500, as in dockerd.
#[must_use]
pub const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::InvalidArgument => StatusCode::BAD_REQUEST,
        ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::FailedPrecondition => {
            StatusCode::CONFLICT
        }
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::NotModified => StatusCode::NOT_MODIFIED,
        ErrorKind::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::DeadlineExceeded
        | ErrorKind::Cancelled
        | ErrorKind::ResourceExhausted
        | ErrorKind::DataLoss
        | ErrorKind::Unknown
        | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An answer of `{"message": …}`; 304 has no body.
pub(crate) fn message(status: StatusCode, message: String) -> Response {
    if status == StatusCode::NOT_MODIFIED {
        return status.into_response();
    }
    let body = serde_json::to_vec(&ErrorResponse { message }).expect("a string is JSON");
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}
