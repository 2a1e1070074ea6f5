//! Taking a connection over for a raw stream (attach, exec).
//!
//! A client that asks for `Upgrade: tcp` is answered `101 UPGRADED`, and its own socket is taken
//! back from the HTTP server as a descriptor, together with the bytes of stdin that were read with
//! the request: whoever serves the stream (the shim) gets the client's socket itself. A client that
//! does not ask is answered 200, and the stream is one end of a socketpair whose other end is
//! copied into the answer's body.
//!
//! Nothing follows the answer's head before the client has read it: docker-py reads the head through a
//! buffer and the stream past it, and loses what comes with the head. Only a unix socket tells this.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use bytes::Bytes;
use gantry_errors::ErrorKind;
use gantry_linux::unix_socket;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use hyper::ext::ReasonPhrase;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::ReaderStream;

use super::error::ApiError;

/// How long a client may take to read the answer's head before the stream begins all the same.
const HEAD_LIMIT: Duration = Duration::from_millis(500);
/// A client that waits for the head has read it within this time, on an idle machine.
const HEAD_AT_ONCE: Duration = Duration::from_micros(200);
/// How often it is looked whether the head is read.
const HEAD_AGAIN: Duration = Duration::from_millis(1);

/// How the bytes of the stream are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// A terminal's bytes as they are.
    Raw,
    /// Frames that tell stdout from stderr.
    Multiplexed,
}

impl StreamKind {
    /// The content type; clients before 1.42 know only the raw one.
    #[must_use]
    pub const fn content_type(self, version: gantry_engine_api::ApiVersion) -> &'static str {
        match self {
            Self::Multiplexed if version.at_least(42) => {
                "application/vnd.docker.multiplexed-stream"
            }
            Self::Raw | Self::Multiplexed => "application/vnd.docker.raw-stream",
        }
    }
}

/// A client's stream.
#[derive(Debug)]
pub struct ClientStream {
    /// A connected, non-blocking stream socket: the client's own, or one end of a socketpair.
    pub socket: OwnedFd,
    /// Bytes the client sent before the socket was taken over.
    pub prefix: Bytes,
}

/// A request that may be taken over.
#[derive(Debug)]
pub struct Hijack {
    upgrade: Option<OnUpgrade>,
    protocol: Option<HeaderValue>,
}

impl<S: Send + Sync> FromRequestParts<S> for Hijack {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let protocol = parts.headers.get(header::UPGRADE).cloned();
        let upgrade = protocol
            .as_ref()
            .and_then(|_| parts.extensions.remove::<OnUpgrade>());
        Ok(Self { upgrade, protocol })
    }
}

/// Waits for the stream; resolves once the client has the answer's head.
#[derive(Debug)]
pub struct PendingStream(Pending);

#[derive(Debug)]
enum Pending {
    Upgrade(OnUpgrade),
    Ready(ClientStream),
}

/// The client went away before its stream was taken over.
#[derive(Debug, thiserror::Error)]
pub enum HijackError {
    /// The connection closed before the answer was sent.
    #[error("upgrade the connection")]
    Upgrade(#[source] hyper::Error),
    /// The connection is of a kind that has no descriptor.
    #[error("take over the connection: neither a unix nor a TCP socket")]
    Foreign,
    /// The socket could not be taken out of the reactor.
    #[error("take over the connection")]
    Release(#[source] std::io::Error),
}

impl Hijack {
    /// The answer to send, and the stream that follows it.
    ///
    /// # Errors
    /// 500 if a socketpair cannot be made for a client that did not ask for an upgrade.
    pub fn accept(self, content_type: &'static str) -> Result<(Response, PendingStream), ApiError> {
        match self.upgrade {
            Some(upgrade) => {
                let protocol = self.protocol.unwrap_or(HeaderValue::from_static("tcp"));
                let response = Response::builder()
                    .status(StatusCode::SWITCHING_PROTOCOLS)
                    .extension(ReasonPhrase::from_static(b"UPGRADED"))
                    .header(header::CONNECTION, "Upgrade")
                    .header(header::UPGRADE, protocol)
                    .header(header::CONTENT_TYPE, content_type)
                    .body(Body::empty())
                    .expect("all headers are valid");
                Ok((response, PendingStream(Pending::Upgrade(upgrade))))
            }
            None => {
                let (ours, theirs) = socketpair().map_err(|error| {
                    ApiError::new(ErrorKind::Internal, format!("make a socketpair: {error}"))
                })?;
                let response = Response::builder()
                    .status(StatusCode::OK)
                    .header(header::CONTENT_TYPE, content_type)
                    .body(Body::from_stream(ReaderStream::new(ours)))
                    .expect("all headers are valid");
                let stream = ClientStream {
                    socket: theirs,
                    prefix: Bytes::new(),
                };
                Ok((response, PendingStream(Pending::Ready(stream))))
            }
        }
    }
}

/// A pair of stream sockets. The near one is only read: a client that did not ask for an upgrade
/// has no way to send stdin, so the far one sees its end at once.
fn socketpair() -> std::io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.shutdown(std::net::Shutdown::Write)?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs.into()))
}

impl PendingStream {
    /// The stream. Await it in a task of its own: it resolves after the handler has returned the
    /// answer.
    ///
    /// # Errors
    /// [`HijackError`] if the client is gone.
    pub async fn stream(self) -> Result<ClientStream, HijackError> {
        match self.0 {
            Pending::Ready(stream) => Ok(stream),
            Pending::Upgrade(upgrade) => {
                release(upgrade.await.map_err(HijackError::Upgrade)?).await
            }
        }
    }
}

/// Takes the socket back out of the HTTP server's hands.
async fn release(upgraded: Upgraded) -> Result<ClientStream, HijackError> {
    let upgraded = match upgraded.downcast::<TokioIo<UnixStream>>() {
        Ok(parts) => {
            let socket = parts.io.into_inner();
            head_is_read(socket.as_fd()).await;
            let socket = socket.into_std().map_err(HijackError::Release)?;
            return Ok(ClientStream {
                socket: socket.into(),
                prefix: parts.read_buf,
            });
        }
        Err(other) => other,
    };
    let parts = upgraded
        .downcast::<TokioIo<TcpStream>>()
        .map_err(|_| HijackError::Foreign)?;
    let socket = parts
        .io
        .into_inner()
        .into_std()
        .map_err(HijackError::Release)?;
    Ok(ClientStream {
        socket: socket.into(),
        prefix: parts.read_buf,
    })
}

/// Waits until a client by a unix socket has read all that was sent to it, or [`HEAD_LIMIT`].
async fn head_is_read(socket: BorrowedFd<'_>) {
    let began = Instant::now();
    // A socket that does not tell is not waited for.
    while !unix_socket::all_is_read(socket).unwrap_or(true) && began.elapsed() < HEAD_LIMIT {
        if began.elapsed() < HEAD_AT_ONCE {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(HEAD_AGAIN).await;
        }
    }
}
