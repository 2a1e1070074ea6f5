//! A D-Bus client that can talk to systemd: connect, call a method, hear a signal.
//!
//! One blocking connection per errand; no introspection, no services of our own. A library for all
//! of D-Bus would be larger than the rest of the runtime.

mod wire;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

pub(crate) use wire::{Kind, Message, Method, Writer};

/// The bus of the whole machine, where a bus daemon runs.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
/// systemd itself, for root: also on machines without a bus daemon.
const PRIVATE: &str = "/run/systemd/private";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest line of the authentication.
const MAX_LINE: usize = 512;

/// A conversation that failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Nobody listens.
    #[error("connect to {path}", path = path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bus does not believe who we are.
    #[error("D-Bus authentication was refused: {answer:?}")]
    Authentication {
        /// What it said instead of `OK`.
        answer: String,
    },
    /// Sending or receiving failed; `WouldBlock` when no answer came in time.
    #[error("talk to the D-Bus service")]
    Talk(#[source] io::Error),
    /// Bytes that are no message.
    #[error("the D-Bus service sent a malformed message")]
    Malformed,
    /// The method's own error.
    #[error("{member}: {name}: {text}")]
    Refused {
        /// The method.
        member: String,
        /// The error's D-Bus name.
        name: String,
        /// What it says.
        text: String,
    },
}

/// A connection, authenticated.
#[derive(Debug)]
pub(crate) struct Bus {
    socket: OwnedFd,
    serial: u32,
    /// A bus daemon is between us and the services.
    daemon: bool,
    /// Signals that came while an answer was waited for.
    signals: Vec<Message>,
}

impl Bus {
    /// Connects to the system bus, or to systemd directly where there is none.
    pub(crate) fn system() -> Result<Self, BusError> {
        let daemon = Path::new(SYSTEM_BUS).exists();
        let path = Path::new(if daemon { SYSTEM_BUS } else { PRIVATE });
        let socket = connect(path).map_err(|source| BusError::Connect {
            path: path.to_owned(),
            source,
        })?;
        Self::on(socket, daemon)
    }

    fn on(socket: OwnedFd, daemon: bool) -> Result<Self, BusError> {
        let mut bus = Self {
            socket,
            serial: 0,
            daemon,
            signals: Vec::new(),
        };
        bus.authenticate()?;
        if daemon {
            bus.call_daemon("Hello", "", Writer::default())?;
        }
        Ok(bus)
    }

    /// Asks the bus for signals of this member.
    pub(crate) fn listen(&mut self, interface: &str, member: &str) -> Result<(), BusError> {
        if !self.daemon {
            return Ok(());
        }
        let mut body = Writer::default();
        body.string(&format!(
            "type='signal',interface='{interface}',member='{member}'"
        ));
        self.call_daemon("AddMatch", "s", body).map(drop)
    }

    fn call_daemon(&mut self, member: &str, signature: &str, body: Writer) -> Result<(), BusError> {
        let method = Method {
            destination: Some("org.freedesktop.DBus"),
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member,
        };
        self.call(method, signature, body).map(drop)
    }

    /// Calls a method and waits for its answer.
    pub(crate) fn call(
        &mut self,
        method: Method<'_>,
        signature: &str,
        body: Writer,
    ) -> Result<Message, BusError> {
        self.serial += 1;
        let direct = Method {
            destination: method.destination.filter(|_| self.daemon),
            ..method
        };
        self.send(&wire::call(self.serial, direct, signature, body))?;
        loop {
            let message = self.receive()?;
            match message.kind {
                Kind::Signal => self.signals.push(message),
                Kind::Reply if message.answers == Some(self.serial) => return Ok(message),
                Kind::Error if message.answers == Some(self.serial) => {
                    let text = Some(message.body())
                        .filter(|_| message.signature.starts_with('s'))
                        .and_then(|mut body| body.string());
                    return Err(BusError::Refused {
                        member: method.member.to_owned(),
                        name: message.error_name.clone(),
                        text: text.unwrap_or_default(),
                    });
                }
                Kind::Call | Kind::Reply | Kind::Error => {}
            }
        }
    }

    /// The next signal, of whatever kind.
    pub(crate) fn signal(&mut self) -> Result<Message, BusError> {
        if !self.signals.is_empty() {
            return Ok(self.signals.remove(0));
        }
        loop {
            let message = self.receive()?;
            if message.kind == Kind::Signal {
                return Ok(message);
            }
        }
    }

    /// "EXTERNAL": the kernel tells the other end who we are; we only repeat our number.
    fn authenticate(&mut self) -> Result<(), BusError> {
        let uid = rustix::process::geteuid().as_raw().to_string();
        let hex: String = uid.bytes().map(|digit| format!("{digit:02x}")).collect();
        self.send(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n") && answer.len() < MAX_LINE {
            let mut byte = [0];
            self.fill(&mut byte)?;
            answer.push(byte[0]);
        }
        if !answer.starts_with(b"OK ") {
            let answer = String::from_utf8_lossy(&answer).trim().to_owned();
            return Err(BusError::Authentication { answer });
        }
        self.send(b"BEGIN\r\n")
    }

    fn receive(&mut self) -> Result<Message, BusError> {
        let mut fixed = [0; wire::FIXED_BYTES];
        self.fill(&mut fixed)?;
        let length = Message::length(&fixed).ok_or(BusError::Malformed)?;
        let mut bytes = vec![0; length];
        bytes[..wire::FIXED_BYTES].copy_from_slice(&fixed);
        self.fill(&mut bytes[wire::FIXED_BYTES..])?;
        Message::parse(&bytes).ok_or(BusError::Malformed)
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), BusError> {
        while !bytes.is_empty() {
            match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(BusError::Talk(error.into())),
            }
        }
        Ok(())
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), BusError> {
        while !buffer.is_empty() {
            match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((_, 0)) => return Err(BusError::Talk(io::ErrorKind::UnexpectedEof.into())),
                Ok((_, received)) => buffer = &mut buffer[received..],
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(BusError::Talk(error.into())),
            }
        }
        Ok(())
    }
}

fn connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
