//! Request bodies that a handler leaves unread.
//!
//! The HTTP library closes a connection whose request was not read to its end when the answer is
//! out. Docker's client sends the end of an empty body apart from its head, so that a quick answer
//! would break its pipe. What is left of a body is therefore read as Go's server does: a little of
//! it, and not for long.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};

/// The most bytes that are read for nobody (Go's `maxPostHandlerReadBytes`).
const DRAIN_BYTES: usize = 256 << 10;
/// How long a client may take over them.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A request's body; when it is dropped, the rest of it is read in the background.
#[derive(Debug)]
pub(super) struct Drained(Option<Incoming>);

impl Drained {
    pub(super) const fn new(body: Incoming) -> Self {
        Self(Some(body))
    }
}

impl HttpBody for Drained {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let rest = self.0.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(DRAIN_LIMIT, drain(body)));
        }
    }
}

async fn drain(mut body: Incoming) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(now) => left = now,
            None => return,
        }
    }
}
