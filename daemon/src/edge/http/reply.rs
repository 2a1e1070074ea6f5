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

/// A JSON array that is written element by element; the answer is that of [`json`].
#[derive(Debug, Default)]
pub struct JsonList {
    body: Vec<u8>,
}

impl JsonList {
    /// Adds an element.
    pub fn push<T: Serialize>(&mut self, element: &T) {
        self.body
            .push(if self.body.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut self.body, element)
            .expect("the API's types have string keys only, and memory takes all");
    }
}

impl IntoResponse for JsonList {
    fn into_response(mut self) -> Response {
        let end: &[u8] = if self.body.is_empty() {
            b"[]\n"
        } else {
            b"]\n"
        };
        self.body.extend_from_slice(end);
        (StatusCode::OK, [(header::CONTENT_TYPE, JSON)], self.body).into_response()
    }
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_list_by_elements_is_the_same_as_one_in_one_piece() {
        for elements in [vec![], vec!["one"], vec!["one", "t\"wo", ""]] {
            let mut list = JsonList::default();
            for element in &elements {
                list.push(element);
            }
            let (by_elements, whole) = (list.into_response(), json(StatusCode::OK, &elements));
            assert_eq!(by_elements.headers(), whole.headers());
            let by_elements = by_elements.into_body().collect().await.unwrap().to_bytes();
            let whole = whole.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(by_elements, whole);
        }
    }
}
