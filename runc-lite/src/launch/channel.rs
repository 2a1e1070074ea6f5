//! The socketpair between the runtime and the process it makes.
//!
//! Sequenced packets: one message each, a tag byte and a text. Also descriptors over unix sockets of
//! others (console, pidfd).

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};

/// Longest message; longer texts are cut.
const MAX_BYTES: usize = 16 << 10;

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// Process to runtime: I am the real process, a sibling of the one you made.
    Sibling(i32),
    /// Process to runtime: put me into my control group.
    Place,
    /// Process to runtime: write my uid and gid maps.
    MapIds,
    /// Process to runtime: run the hooks that are yours.
    RunHooks,
    /// Process to runtime: log this.
    Warning(String),
    /// Process to runtime: it failed.
    Failed(String),
    /// Process to runtime: everything is in place.
    Ready,
    /// Runtime to process: done, go on.
    Go,
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        let (tag, text) = match self {
            Self::Sibling(pid) => (b'p', pid.to_string()),
            Self::Place => (b'c', String::new()),
            Self::MapIds => (b'm', String::new()),
            Self::RunHooks => (b'h', String::new()),
            Self::Warning(text) => (b'w', text.clone()),
            Self::Failed(text) => (b'f', text.clone()),
            Self::Ready => (b'r', String::new()),
            Self::Go => (b'g', String::new()),
        };
        let mut bytes = vec![tag];
        bytes.extend(text.bytes().take(MAX_BYTES - 1));
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, text) = bytes.split_first()?;
        let text = String::from_utf8_lossy(text).into_owned();
        Some(match tag {
            b'p' => Self::Sibling(text.parse().ok()?),
            b'c' => Self::Place,
            b'm' => Self::MapIds,
            b'h' => Self::RunHooks,
            b'w' => Self::Warning(text),
            b'f' => Self::Failed(text),
            b'r' => Self::Ready,
            b'g' => Self::Go,
            _ => return None,
        })
    }
}

/// One end.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// Both ends, close-on-exec.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(one), Self(other)))
    }

    /// Says something.
    pub(crate) fn send(&self, message: &Message) -> io::Result<()> {
        rustix::net::send(&self.0, &message.encode(), SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Hears something; `None` when the other end is gone.
    pub(crate) fn receive(&self) -> io::Result<Option<Message>> {
        // How long is it? Most are one byte, and fresh pages cost more than asking.
        let ask = RecvFlags::PEEK | RecvFlags::TRUNC;
        loop {
            let length = match rustix::net::recv(&self.0, &mut [0_u8; 1], ask) {
                Ok((_, length)) => length.clamp(1, MAX_BYTES),
                Err(Errno::INTR) => continue,
                Err(_) => 1,
            };
            let mut buffer = vec![0; length];
            match rustix::net::recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((_, 0)) | Err(Errno::CONNRESET) => return Ok(None),
                Ok((_, length)) => {
                    let known = Message::decode(&buffer[..length.min(buffer.len())]);
                    return known
                        .map(Some)
                        .ok_or_else(|| io::ErrorKind::InvalidData.into());
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Says something and waits to be told to go on.
    pub(crate) fn ask(&self, message: &Message) -> io::Result<()> {
        self.send(message)?;
        self.wait_for_go()
    }

    /// Waits to be told to go on.
    pub(crate) fn wait_for_go(&self) -> io::Result<()> {
        match self.receive()? {
            Some(Message::Go) => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the runtime gave up",
            )),
        }
    }
}

/// Connects to a unix stream socket, whatever the length of its path.
pub(crate) fn connect_socket(path: &Path) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    match SocketAddrUnix::new(path) {
        Ok(address) => rustix::net::connect(&socket, &address)?,
        Err(_) => {
            // Longer than the 107 bytes of an address: by way of a descriptor.
            let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
            let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
            let number = std::os::fd::AsRawFd::as_raw_fd(&file.as_fd());
            let address = SocketAddrUnix::new(format!("/proc/self/fd/{number}"))?;
            rustix::net::connect(&socket, &address)?;
        }
    }
    Ok(socket)
}

/// Sends a descriptor with a text (SCM_RIGHTS).
pub(crate) fn send_descriptor(
    socket: BorrowedFd<'_>,
    descriptor: BorrowedFd<'_>,
    text: &[u8],
) -> io::Result<()> {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(text)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}
