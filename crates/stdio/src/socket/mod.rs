//! The stdio socket: a `SOCK_SEQPACKET` unix socket whose datagrams are JSON messages, each with at
//! most one descriptor (`SCM_RIGHTS`). Both ends are here; neither blocks for longer than its
//! descriptor's mode says.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::message::{Answer, Request};
use crate::path::address;

/// The longest message, in bytes; an attach's `prefix` must leave room for the rest.
pub const MESSAGE_LIMIT: usize = 64 * 1024;

const BACKLOG: i32 = 128;

/// Why a message could not be passed on.
#[derive(Debug, Error)]
pub enum SocketError {
    /// The socket could not be made.
    #[error("create a socket")]
    Create(#[source] Errno),
    /// The path could not be bound.
    #[error("bind {path}")]
    Bind {
        /// The socket's path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// Nobody answers at the path.
    #[error("connect to {path}")]
    Connect {
        /// The socket's path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// A connection could not be accepted.
    #[error("accept a connection")]
    Accept(#[source] Errno),
    /// The peer is not root.
    #[error("peer has uid {0}, only root may connect")]
    Peer(u32),
    /// The message could not be sent.
    #[error("send a message")]
    Send(#[source] Errno),
    /// No message could be received.
    #[error("receive a message")]
    Receive(#[source] Errno),
    /// The message is longer than [`MESSAGE_LIMIT`].
    #[error("message of {0} bytes exceeds the limit of {MESSAGE_LIMIT}")]
    TooLong(usize),
    /// The datagram is not a message of this protocol.
    #[error("message is not understood")]
    Malformed(#[source] serde_json::Error),
}

impl SocketError {
    /// Whether the call may be repeated once the descriptor is ready (non-blocking mode).
    #[must_use]
    pub fn would_block(&self) -> bool {
        matches!(
            self,
            Self::Accept(Errno::AGAIN) | Self::Send(Errno::AGAIN) | Self::Receive(Errno::AGAIN)
        )
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// For an async runtime's descriptor type.
impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Connection {
    /// Connects to the socket at `path`, in blocking mode. Connecting itself does not wait for the
    /// peer's program, only for a place in its queue.
    ///
    /// # Errors
    /// [`SocketError::Connect`] if nobody listens there.
    pub fn connect(path: &Path) -> Result<Self, SocketError> {
        let socket = seqpacket(SocketFlags::CLOEXEC)?;
        address(path)
            .and_then(|address| rustix::net::connect(&socket, &address.unix))
            .map_err(|source| SocketError::Connect {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self { socket })
    }

    /// Two connected ends, for tests and for peers in one process tree.
    ///
    /// # Errors
    /// [`SocketError::Create`].
    pub fn pair() -> Result<(Self, Self), SocketError> {
        let flags = SocketFlags::CLOEXEC;
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map(|(a, b)| (Self { socket: a }, Self { socket: b }))
            .map_err(SocketError::Create)
    }

    /// Makes all later calls return an error that [`SocketError::would_block`] instead of waiting.
    ///
    /// # Errors
    /// [`SocketError::Create`] if the kernel refuses, which it does not do for a socket.
    pub fn set_nonblocking(&self) -> Result<(), SocketError> {
        rustix::io::ioctl_fionbio(&self.socket, true).map_err(SocketError::Create)
    }

    /// Sends a request, with the descriptor that the operation takes.
    ///
    /// # Errors
    /// [`SocketError::Send`], [`SocketError::TooLong`].
    pub fn send_request(
        &self,
        request: &Request,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), SocketError> {
        self.send(request, descriptor)
    }

    /// Sends an answer, with the descriptor that was asked for.
    ///
    /// # Errors
    /// [`SocketError::Send`], [`SocketError::TooLong`].
    pub fn send_answer(
        &self,
        answer: &Answer,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), SocketError> {
        self.send(answer, descriptor)
    }

    /// The next request; `None` when the peer has gone.
    ///
    /// # Errors
    /// [`SocketError::Receive`], [`SocketError::Malformed`], [`SocketError::TooLong`].
    pub fn recv_request(&self) -> Result<Option<(Request, Option<OwnedFd>)>, SocketError> {
        self.recv()
    }

    /// The next answer; `None` when the peer has gone.
    ///
    /// # Errors
    /// [`SocketError::Receive`], [`SocketError::Malformed`], [`SocketError::TooLong`].
    pub fn recv_answer(&self) -> Result<Option<(Answer, Option<OwnedFd>)>, SocketError> {
        self.recv()
    }

    fn send<T: Serialize>(
        &self,
        message: &T,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), SocketError> {
        let text = serde_json::to_vec(message).map_err(SocketError::Malformed)?;
        if text.len() > MESSAGE_LIMIT {
            return Err(SocketError::TooLong(text.len()));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
        if !descriptors.is_empty() {
            let pushed = control.push(SendAncillaryMessage::ScmRights(&descriptors));
            debug_assert!(pushed, "the space is made for one descriptor");
        }
        let parts = [IoSlice::new(&text)];
        rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(&self.socket, &parts, &mut control, SendFlags::NOSIGNAL)
        })
        .map_err(SocketError::Send)?;
        Ok(())
    }

    fn recv<T: DeserializeOwned>(&self) -> Result<Option<(T, Option<OwnedFd>)>, SocketError> {
        let mut text = vec![0; MESSAGE_LIMIT];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let parts = &mut [IoSliceMut::new(&mut text)];
            rustix::net::recvmsg(&self.socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC)
        })
        .map_err(SocketError::Receive)?;
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(SocketError::TooLong(MESSAGE_LIMIT + 1));
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        serde_json::from_slice(&text[..received.bytes])
            .map(|message| Some((message, descriptor)))
            .map_err(SocketError::Malformed)
    }
}

/// The listening end.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// For an async runtime's descriptor type.
impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Listener {
    /// Binds `path` with mode 0600, replacing a socket that a dead process left there. The listener
    /// is non-blocking.
    ///
    /// # Errors
    /// [`SocketError::Bind`].
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let socket = seqpacket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        bind_private(&socket, path).map_err(|source| SocketError::Bind {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { socket })
    }

    /// The next connection, in non-blocking mode.
    ///
    /// # Errors
    /// [`SocketError::Accept`], which may ask for patience; [`SocketError::Peer`] if whoever
    /// connected is not root: the connection is closed then, and the next can be accepted.
    pub fn accept(&self) -> Result<Connection, SocketError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::io::retry_on_intr(|| rustix::net::accept_with(&self.socket, flags))
            .map_err(SocketError::Accept)?;
        let peer = rustix::net::sockopt::socket_peercred(&socket).map_err(SocketError::Accept)?;
        if !peer.uid.is_root() {
            return Err(SocketError::Peer(peer.uid.as_raw()));
        }
        Ok(Connection { socket })
    }
}

fn seqpacket(flags: SocketFlags) -> Result<OwnedFd, SocketError> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .map_err(SocketError::Create)
}

fn bind_private(socket: &OwnedFd, path: &Path) -> Result<(), Errno> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    // The mode of a new socket is that of its descriptor less the umask: set before it is visible.
    rustix::fs::fchmod(socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(socket, &address(path)?.unix)?;
    rustix::net::listen(socket, BACKLOG)
}

#[cfg(test)]
mod tests;
