//! A gRPC channel over a connection the client opened: the daemon calls, the client serves.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::body::Body;
use tower::Service;

/// How much of one stream may be on its way.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// How much of all streams may be on its way. It is never used up; its half is what the HTTP/2 library
/// lets small frames cost before it takes them for an attack (256 bytes each, less their contents). A
/// client sends a frame per file, of ten bytes or so: a stream's window holds a hundred thousand.
const CONNECTION_WINDOW_BYTES: u32 = 256 << 20;

/// The channel; clones share the connection.
#[derive(Debug, Clone)]
pub struct Channel(SendRequest<Body>);

/// Speaks HTTP/2 as the client on a connection. The future is the connection: it has to be polled,
/// and ends when the peer is gone or the channel and all its clones were dropped.
///
/// No pings are sent: the peer's server takes them for an attack.
///
/// # Errors
/// The connection ended before it began.
pub async fn open<Io>(
    io: Io,
) -> Result<(Channel, impl Future<Output = hyper::Result<()>> + Send), hyper::Error>
where
    Io: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(64 << 10)
        .handshake(io)
        .await?;
    Ok((Channel(sender), connection))
}

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
