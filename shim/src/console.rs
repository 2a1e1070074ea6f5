//! The console socket (runtime command line, `--console-socket`): the runtime connects and sends the
//! master of the process's terminal.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use thiserror::Error;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::watched::watch;

/// How long the terminal may be on its way once the runtime has finished.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no terminal.
#[derive(Debug, Error)]
pub(crate) enum ConsoleError {
    #[error("listen for the terminal at {path}")]
    Listen {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("receive the terminal")]
    Receive(#[source] io::Error),
    #[error("the runtime sent no terminal")]
    Missing,
}

/// A socket waiting for one terminal; its file goes with it.
#[derive(Debug)]
pub(crate) struct ConsoleSocket {
    listener: AsyncFd<UnixListener>,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Listens at `path`, which must be short enough for a socket address.
    pub(crate) fn listen(path: PathBuf) -> Result<Self, ConsoleError> {
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).and_then(|listener| {
            listener.set_nonblocking(true)?;
            watch(listener)
        });
        match listener {
            Ok(listener) => Ok(Self { listener, path }),
            Err(source) => Err(ConsoleError::Listen { path, source }),
        }
    }

    /// Where the runtime is to connect.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The terminal's master.
    pub(crate) async fn receive(self) -> Result<OwnedFd, ConsoleError> {
        match timeout(PATIENCE, self.accept_and_receive()).await {
            Ok(result) => result,
            Err(_) => Err(ConsoleError::Missing),
        }
    }

    async fn accept_and_receive(&self) -> Result<OwnedFd, ConsoleError> {
        let stream = ready(&self.listener, UnixListener::accept).await;
        let (stream, _) = stream.map_err(ConsoleError::Receive)?;
        stream
            .set_nonblocking(true)
            .map_err(ConsoleError::Receive)?;
        let stream = watch(stream).map_err(ConsoleError::Receive)?;
        let mut name = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        ready(&stream, |stream| {
            let parts = &mut [io::IoSliceMut::new(&mut name)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            Ok(rustix::net::recvmsg(stream, parts, &mut control, flags)?)
        })
        .await
        .map_err(ConsoleError::Receive)?;
        let master = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        master.ok_or(ConsoleError::Missing)
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn ready<T: std::os::fd::AsRawFd, R>(
    fd: &AsyncFd<T>,
    mut call: impl FnMut(&T) -> io::Result<R>,
) -> io::Result<R> {
    loop {
        let mut guard = fd.readable().await?;
        if let Ok(result) = guard.try_io(|fd| call(fd.get_ref())) {
            return result;
        }
    }
}
