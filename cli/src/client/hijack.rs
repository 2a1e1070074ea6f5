//! A connection taken over from HTTP: a blocking socket and what hyper had read ahead.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use super::error::ClientError;

/// The plain socket beneath a connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    /// Tells the far side that no more input comes; its output still does.
    pub(crate) fn close_write(&self) {
        // A peer that is gone already needs no telling.
        let _ = match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
        };
    }

    /// Ends both directions; wakes a thread that reads from a clone.
    pub(crate) fn close(&self) {
        let _ = match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Both),
            Self::Tcp(socket) => socket.shutdown(Shutdown::Both),
        };
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.read(buffer),
            Self::Tcp(socket) => socket.read(buffer),
        }
    }
}

/// Through a shared reference, as the standard library's sockets.
impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(socket) => {
                let mut socket = socket;
                socket.write(bytes)
            }
            Socket::Tcp(socket) => {
                let mut socket = socket;
                socket.write(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A hijacked connection.
#[derive(Debug)]
pub(crate) struct Hijacked {
    socket: Socket,
    /// Bytes that arrived together with the answer's head.
    early: Bytes,
}

impl Hijacked {
    pub(super) fn from_upgraded(upgraded: Upgraded, what: String) -> Result<Self, ClientError> {
        let broken = |_| ClientError::Hijack {
            what: what.clone(),
            status: 101,
        };
        let upgraded = match upgraded.downcast::<TokioIo<tokio::net::UnixStream>>() {
            Ok(parts) => {
                let socket = parts.io.into_inner().into_std().map_err(broken)?;
                socket.set_nonblocking(false).map_err(broken)?;
                return Ok(Self {
                    socket: Socket::Unix(socket),
                    early: parts.read_buf,
                });
            }
            Err(upgraded) => upgraded,
        };
        match upgraded.downcast::<TokioIo<tokio::net::TcpStream>>() {
            Ok(parts) => {
                let socket = parts.io.into_inner().into_std().map_err(broken)?;
                socket.set_nonblocking(false).map_err(broken)?;
                Ok(Self {
                    socket: Socket::Tcp(socket),
                    early: parts.read_buf,
                })
            }
            Err(_) => Err(ClientError::Hijack { what, status: 101 }),
        }
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Read for Hijacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.early.has_remaining() {
            let taken = self.early.len().min(buffer.len());
            self.early.copy_to_slice(&mut buffer[..taken]);
            return Ok(taken);
        }
        self.socket.read(buffer)
    }
}
