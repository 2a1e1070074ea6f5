//! The caller's sockets for the terminal and the pidfd.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::cli::Parsed;
use crate::error::RunError;
use crate::launch::{connect_socket, send_descriptor};

/// Sockets of the caller, and the terminal's way back to us where there is none.
pub(crate) struct Sockets {
    console: Option<OwnedFd>,
    /// Our end, if the terminal comes to us.
    pub(crate) ours: Option<OwnedFd>,
    pidfd: Option<OwnedFd>,
}

impl Sockets {
    /// Connects to the sockets that were named. `foreground` may hold the terminal itself.
    pub(crate) fn open(
        parsed: &Parsed,
        current: &Path,
        terminal: bool,
        foreground: bool,
    ) -> Result<Self, RunError> {
        let foreground = foreground && !parsed.has("detach");
        let connect = |name| -> Result<Option<OwnedFd>, RunError> {
            let Some(path) = parsed.get(name).filter(|path| !path.is_empty()) else {
                return Ok(None);
            };
            let path = current.join(path);
            connect_socket(&path)
                .map(Some)
                .map_err(|source| RunError::Socket { path, source })
        };
        let pidfd = connect("pidfd-socket")?;
        let console = connect("console-socket")?;
        match (terminal, console) {
            (false, Some(_)) => Err(RunError::NeedlessConsoleSocket),
            (true, Some(_)) if foreground => Err(RunError::NeedlessConsoleSocket),
            (true, None) if !foreground => Err(RunError::DetachedTerminal),
            (true, None) => {
                let (ours, theirs) =
                    std::os::unix::net::UnixStream::pair().map_err(|source| RunError::Io {
                        step: "socketpair",
                        source,
                    })?;
                Ok(Self {
                    console: Some(theirs.into()),
                    ours: Some(ours.into()),
                    pidfd,
                })
            }
            (_, console) => Ok(Self {
                console,
                ours: None,
                pidfd,
            }),
        }
    }

    /// Where the terminal's master is sent.
    pub(crate) fn console(&self) -> Option<rustix::fd::BorrowedFd<'_>> {
        self.console.as_ref().map(AsFd::as_fd)
    }

    /// Sends the process's pidfd to whoever wants it.
    pub(crate) fn send_pidfd(&self, pidfd: &OwnedFd) -> Result<(), RunError> {
        match &self.pidfd {
            Some(socket) => {
                send_descriptor(socket.as_fd(), pidfd.as_fd(), b"pidfd").map_err(|source| {
                    RunError::Io {
                        step: "send the pidfd",
                        source,
                    }
                })
            }
            None => Ok(()),
        }
    }
}
