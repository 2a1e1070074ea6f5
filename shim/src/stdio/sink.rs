//! Where a stream's bytes go.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use gantry_stdio::frame::Stream;
use tokio::io::unix::AsyncFd;

use super::hub::Hub;

/// One stream's destination.
#[derive(Debug)]
pub(super) enum Sink {
    /// The log and the attached clients of this stream.
    Hub(Arc<Hub>, Stream),
    /// A FIFO of a containerd client, or the pipe of a log program. Whoever reads it slowly holds the
    /// process back; that is these clients' contract.
    Pipe(AsyncFd<OwnedFd>),
    /// A file that is appended to.
    File(File),
    /// Nowhere.
    Null,
}

impl Sink {
    /// Waits until the sink wants more.
    pub(super) async fn admit(&self) {
        if let Self::Hub(hub, _) = self {
            hub.admit().await;
        }
    }

    /// Passes `bytes` on. What cannot be delivered for good is dropped: the process must go on.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        let result = match self {
            Self::Hub(hub, stream) => {
                hub.write(*stream, bytes);
                Ok(())
            }
            Self::Pipe(pipe) => write_all(pipe, bytes).await,
            Self::File(file) => file.write_all(bytes),
            Self::Null => Ok(()),
        };
        if result.is_err() && !matches!(self, Self::File(_)) {
            *self = Self::Null;
        }
    }

    /// Nothing is to be written for now.
    pub(super) fn rest(&self) {
        if let Self::Hub(hub, _) = self {
            hub.rest();
        }
    }

    /// The stream has ended.
    pub(super) fn end(self) {
        if let Self::Hub(hub, stream) = self {
            hub.end(stream);
        }
    }
}

async fn write_all(pipe: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut guard = pipe.writable().await?;
        if let Ok(result) = guard.try_io(|fd| rustix::io::write(fd, bytes).map_err(Into::into)) {
            bytes = &bytes[result?..];
        }
    }
    Ok(())
}
