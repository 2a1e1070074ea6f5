//! Answers: JSON, a stream of JSON lines, nothing.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON answer, ended by a newline as Go's encoder does.
#[must_use]
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    let mut body = serde_json::to_vec(value).expect("the API's types have string keys only");
    body.push(b'\n');
    (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// 204.
#[must_use]
pub fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// An endless answer of JSON objects, one a line. The head is sent at once; each piece as it comes.
pub fn json_lines<S>(lines: S) -> Response
where
    S: Stream<Item = Bytes> + Send + 'static,
{
    let body = Body::from_stream(lines.map(Ok::<_, Infallible>));
    (StatusCode::OK, [(header::CONTENT_TYPE, JSON)], body).into_response()
}
