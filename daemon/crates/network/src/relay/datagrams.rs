//! Datagrams that the kernel cannot lead to a container: a session per client, for as long as one of the two
//! says something. One thread carries them all; it reads and writes a host's port only while it holds the
//! books, so that a port that is forgotten is in nobody's hands.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use gantry_linux::packet_info;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;

use super::attended::Shared;

/// Numbers of sessions have this bit, those of ports have not.
const SESSION: u64 = 1 << 63;
/// Sessions at once, of all ports; a new one ends the one that has been silent for longest.
const SESSIONS_MAX: usize = 1024;
/// A session ends when nothing is said for so long (the kernel's own measure for a conversation is 120 s, that
/// of dockerd's proxy 90).
const SILENCE: Duration = Duration::from_secs(90);
/// How often silent sessions are looked for.
const LOOK: Duration = Duration::from_secs(5);
/// The longest datagram there is.
const DATAGRAM_MAX: usize = 65_535;
/// Datagrams that are read of one socket before it is another's turn.
const AT_ONCE: usize = 64;

/// Makes a port tell which of the host's addresses was asked. Those that are relayed are of IPv6.
pub(super) fn prepare(socket: &OwnedFd) -> io::Result<()> {
    packet_info::tell_destinations(socket.as_fd())
}

/// What the thread does.
pub(super) fn carry(shared: &Shared) {
    let mut sessions = Sessions::default();
    let mut events = Vec::with_capacity(64);
    let mut buffer = vec![0; DATAGRAM_MAX];
    let mut looked = Instant::now();
    let pause = Timespec::try_from(LOOK).expect("a few seconds");
    loop {
        let limit = (!sessions.by_number.is_empty()).then_some(&pause);
        if !shared.wait(&mut events, limit) {
            return;
        }
        for event in &events {
            match event.data.u64() {
                number if number & SESSION == 0 => sessions.ask(shared, number, &mut buffer),
                number => sessions.answer(shared, number, &mut buffer),
            }
        }
        if looked.elapsed() >= LOOK {
            sessions.end_silent(shared);
            looked = Instant::now();
        }
    }
}

/// Who talks to whom: the number of the host's port, the client, and the host's address that it asked, from which
/// it expects the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Parties {
    port: u64,
    client: SocketAddrV6,
    asked: Ipv6Addr,
}

/// A client's conversation with a container.
#[derive(Debug)]
struct Session {
    parties: Parties,
    /// Connected to the container.
    socket: UdpSocket,
    heard: Instant,
}

/// The thread's own; closing a session's socket takes it out of the epoll's list.
#[derive(Debug, Default)]
struct Sessions {
    by_number: BTreeMap<u64, Session>,
    by_parties: BTreeMap<Parties, u64>,
    last: u64,
}

impl Sessions {
    /// From clients to the container.
    fn ask(&mut self, shared: &Shared, number: u64, buffer: &mut [u8]) {
        let ports = shared.ports();
        let Some(port) = ports.by_number.get(&number) else {
            return;
        };
        for _ in 0..AT_ONCE {
            let arrived = match packet_info::receive(port.socket.as_fd(), buffer) {
                Ok(arrived) => arrived,
                // What was sent before could not be delivered: read on.
                Err(error) if is(&error, &[Errno::INTR, Errno::CONNREFUSED]) => continue,
                Err(_) => return,
            };
            let parties = Parties {
                port: number,
                client: arrived.from,
                asked: arrived.to.unwrap_or(Ipv6Addr::UNSPECIFIED),
            };
            match self.of(shared, parties, port.target) {
                Ok(session) => {
                    session.heard = Instant::now();
                    // A container that does not listen, or not fast enough, loses it, as on any way.
                    let _ = session.socket.send(&buffer[..arrived.length]);
                }
                Err(error) => {
                    tracing::warn!(target = %port.target, %error, "datagrams are not relayed");
                }
            }
        }
    }

    /// From the container to its client.
    fn answer(&mut self, shared: &Shared, number: u64, buffer: &mut [u8]) {
        let Some(session) = self.by_number.get_mut(&number) else {
            return;
        };
        let Parties {
            port: of,
            client,
            asked,
        } = session.parties;
        if !shared.ports().by_number.contains_key(&of) {
            self.end(|_, session| session.parties.port == of);
            return;
        }
        for _ in 0..AT_ONCE {
            // Nothing there, or the container said that it does not listen: the client says it again.
            let Ok(length) = session.socket.recv(buffer) else {
                return;
            };
            session.heard = Instant::now();
            let ports = shared.ports();
            let Some(port) = ports.by_number.get(&of) else {
                return;
            };
            // A client that is gone, or not fast enough, loses it.
            let _ = packet_info::send(port.socket.as_fd(), &buffer[..length], asked, client);
        }
    }

    fn of(
        &mut self,
        shared: &Shared,
        parties: Parties,
        target: SocketAddr,
    ) -> io::Result<&mut Session> {
        let number = match self.by_parties.get(&parties) {
            Some(number) => *number,
            None => self.open(shared, parties, target)?,
        };
        let session = self.by_number.get_mut(&number);
        Ok(session.expect("both maps hold the same sessions"))
    }

    fn open(&mut self, shared: &Shared, parties: Parties, target: SocketAddr) -> io::Result<u64> {
        if self.by_number.len() >= SESSIONS_MAX {
            let silent = self.by_number.iter().min_by_key(|(_, s)| s.heard);
            let silent = silent.map(|(number, _)| *number);
            self.end(|number, _| Some(number) == silent);
        }
        let any = match target {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(target)?;
        socket.set_nonblocking(true)?;
        self.last += 1;
        let number = SESSION | self.last;
        let data = EventData::new_u64(number);
        epoll::add(&shared.epoll, socket.as_fd(), data, EventFlags::IN)?;
        self.by_parties.insert(parties, number);
        let session = Session {
            parties,
            socket,
            heard: Instant::now(),
        };
        self.by_number.insert(number, session);
        Ok(number)
    }

    /// Those that are silent, and those whose port is forgotten.
    fn end_silent(&mut self, shared: &Shared) {
        let ports = shared.ports();
        let now = Instant::now();
        self.end(|_, session| {
            now.duration_since(session.heard) >= SILENCE
                || !ports.by_number.contains_key(&session.parties.port)
        });
    }

    fn end(&mut self, which: impl Fn(u64, &Session) -> bool) {
        let ended = self
            .by_number
            .extract_if(.., |number, session| which(*number, session));
        for (_, session) in ended {
            self.by_parties.remove(&session.parties);
        }
    }
}

fn is(error: &io::Error, any: &[Errno]) -> bool {
    any.iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
