//! The client at the other end of a request: whether it is still there.
//!
//! The server keeps half-closed connections (see [`super::server`]), so that a client which goes
//! away is noticed by nobody who does not write. Work that lasts asks here instead: a client that
//! closes its side has left, as in dockerd. Attach and exec do not ask: there it means the end of stdin.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Who asked. A request that did not come over a socket has a client that never leaves.
#[derive(Debug, Clone, Default)]
pub struct Client(Option<Arc<OwnedFd>>);

impl Client {
    /// The client of a connection.
    #[must_use]
    pub fn of(socket: &impl AsFd) -> Self {
        Self(socket.as_fd().try_clone_to_owned().ok().map(Arc::new))
    }

    /// Waits until the client has closed its side of the connection.
    pub async fn gone(self) {
        let watched = self.0.and_then(|socket| {
            // Of whatever family it is: only its readiness is asked for.
            let socket = std::os::unix::net::UnixStream::from(socket.try_clone().ok()?);
            UnixStream::from_std(socket).ok()
        });
        let Some(watched) = watched else {
            return pending::<()>().await;
        };
        while let Ok(ready) = watched.ready(Interest::READABLE).await {
            if ready.is_read_closed() {
                return;
            }
            // Bytes of the body or of a next request, which are the server's: forgotten until more
            // come.
            let _ = watched.try_io(Interest::READABLE, || {
                Err::<(), _>(io::ErrorKind::WouldBlock.into())
            });
        }
        pending::<()>().await;
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn bytes_are_no_farewell_and_a_closed_side_is() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut gone = std::pin::pin!(Client::of(&ours).gone());
        theirs.write_all(b"more").await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), gone.as_mut()).await;
        assert!(early.is_err());
        theirs.shutdown().await.unwrap();
        gone.await;
    }
}
