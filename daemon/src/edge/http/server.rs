//! The accept loop: connections to requests.
//!
//! axum's own server has none of the knobs that Docker's clients need: half-closed connections are
//! kept (a client that has sent its stdin still waits for output), a connection can be taken over
//! with its socket, heads have a size and a time limit, and every connection ends when the daemon
//! does.

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::client::Client;
use super::drain::Drained;
use super::listen::Listener;

/// How a client may behave.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a request's head may take, the wait for it included (dockerd: five minutes).
    pub head_timeout: Duration,
    /// How long open requests get when the daemon ends.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(300),
            drain: Duration::from_secs(2),
        }
    }
}

/// The buffer of a connection: room for a head that is refused with a message of ours, so that only
/// an absurd one gets the HTTP library's bare 431.
const BUFFER_BYTES: usize = 4 * super::HEAD_MAX_BYTES;

/// How long to wait after `accept` fails for lack of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves one listening socket until `closing` is cancelled, then waits for open requests.
pub async fn serve(listener: Listener, router: Router, limits: Limits, closing: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        match accepted {
            Ok(Stream::Unix(stream)) => {
                connections.spawn(connection(stream, router.clone(), limits, closing.clone()));
            }
            Ok(Stream::Tcp(stream)) => {
                connections.spawn(connection(stream, router.clone(), limits, closing.clone()));
            }
            Err(error) => {
                warn!(error = %error, "accept a client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
    if tokio::time::timeout(limits.drain, connections.wait())
        .await
        .is_err()
    {
        warn!(
            open = connections.len(),
            "requests were still open when the daemon ended"
        );
    }
}

enum Stream {
    Unix(tokio::net::UnixStream),
    Tcp(tokio::net::TcpStream),
}

async fn accept(listener: &Listener) -> io::Result<Stream> {
    match listener {
        Listener::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
    }
}

/// One client: its requests one after the other, until it closes or is taken over.
async fn connection<S>(stream: S, router: Router, limits: Limits, closing: CancellationToken)
where
    S: AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static,
{
    let client = Client::of(&stream);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let router = router.clone();
        request.extensions_mut().insert(client.clone());
        let request = request.map(|body| Body::new(Drained::new(body)));
        async move { Ok::<_, Infallible>(super::answer(router, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .half_close(true)
        .title_case_headers(true)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(error = %gantry_errors::chain(&error), "a client's connection ended");
    }
}
