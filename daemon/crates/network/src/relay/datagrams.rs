//! Datagrams that the kernel cannot lead to a container: a session per client, for as long as one of the two
//! says something. One thread carries them all; it reads and writes a host's port only while it holds the
//! books, so that a port that is forgotten is in nobody's hands.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};

/// What tells the thread to end.
const STOP: u64 = 0;
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

/// A port that is relayed.
#[derive(Debug)]
struct Port {
    host: SocketAddr,
    socket: Arc<OwnedFd>,
    target: SocketAddr,
}

#[derive(Debug, Default)]
struct Ports {
    by_number: BTreeMap<u64, Port>,
    last: u64,
}

#[derive(Debug)]
struct Shared {
    epoll: OwnedFd,
    stop: OwnedFd,
    ports: Mutex<Ports>,
}

impl Shared {
    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The relay of datagrams; its thread is started with the first port and ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    running: Mutex<Option<(Arc<Shared>, JoinHandle<()>)>>,
}

impl Datagrams {
    /// Leads datagrams for `host` on to `target`, whatever they were led to before.
    pub(super) fn lead(
        &self,
        host: SocketAddr,
        socket: &Arc<OwnedFd>,
        target: SocketAddr,
    ) -> io::Result<()> {
        self.forget(&[host]);
        let shared = self.start()?;
        let mut ports = shared.ports();
        ports.last += 1;
        let number = ports.last;
        let data = EventData::new_u64(number);
        epoll::add(&shared.epoll, socket.as_fd(), data, EventFlags::IN)?;
        let socket = Arc::clone(socket);
        let port = Port {
            host,
            socket,
            target,
        };
        ports.by_number.insert(number, port);
        Ok(())
    }

    /// Carries nothing more for these; their sessions end.
    pub(super) fn forget(&self, hosts: &[SocketAddr]) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((shared, _)) = running.as_ref() else {
            return;
        };
        let mut ports = shared.ports();
        let gone = ports
            .by_number
            .extract_if(.., |_, port| hosts.contains(&port.host));
        for (_, port) in gone {
            // One that is not there any more is as good.
            let _ = epoll::delete(&shared.epoll, port.socket.as_fd());
        }
    }

    fn start(&self) -> io::Result<Arc<Shared>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((shared, _)) = running.as_ref() {
            return Ok(Arc::clone(shared));
        }
        let shared = Arc::new(Shared {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            stop: eventfd(0, EventfdFlags::CLOEXEC)?,
            ports: Mutex::default(),
        });
        let stop = EventData::new_u64(STOP);
        epoll::add(&shared.epoll, &shared.stop, stop, EventFlags::IN)?;
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("net-relay-udp".to_owned())
            .spawn(move || carry(&theirs))?;
        *running = Some((Arc::clone(&shared), thread));
        Ok(shared)
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let running = self
            .running
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let Some((shared, thread)) = running.take() else {
            return;
        };
        let told = rustix::io::write(&shared.stop, &1_u64.to_ne_bytes());
        if told.is_ok() && thread.join().is_err() {
            tracing::error!("the thread that relays datagrams panicked");
        }
    }
}

fn carry(shared: &Shared) {
    let mut sessions = Sessions::default();
    let mut events = Vec::with_capacity(64);
    let mut buffer = vec![0; DATAGRAM_MAX];
    let mut looked = Instant::now();
    let pause = Timespec::try_from(LOOK).expect("a few seconds");
    loop {
        events.clear();
        let limit = (!sessions.by_number.is_empty()).then_some(&pause);
        match epoll::wait(&shared.epoll, spare_capacity(&mut events), limit) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => {
                tracing::error!(error = %io::Error::from(errno), "datagrams are not relayed any more");
                return;
            }
        }
        for event in &events {
            match event.data.u64() {
                STOP => return,
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

/// A client's conversation with a container.
#[derive(Debug)]
struct Session {
    port: u64,
    client: SocketAddr,
    /// Connected to the container.
    socket: UdpSocket,
    heard: Instant,
}

/// The thread's own; closing a session's socket takes it out of the epoll's list.
#[derive(Debug, Default)]
struct Sessions {
    by_number: BTreeMap<u64, Session>,
    by_client: BTreeMap<(u64, SocketAddr), u64>,
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
            let (length, client) = match recvfrom(&*port.socket, &mut *buffer, RecvFlags::DONTWAIT)
            {
                Ok((length, _, client)) => (length, client),
                // What was sent before could not be delivered: read on.
                Err(Errno::INTR | Errno::CONNREFUSED) => continue,
                Err(_) => return,
            };
            let Some(client) = client.and_then(|client| SocketAddr::try_from(client).ok()) else {
                continue;
            };
            match self.of(shared, (number, client), port.target) {
                Ok(session) => {
                    session.heard = Instant::now();
                    // A container that does not listen, or not fast enough, loses it, as on any way.
                    let _ = session.socket.send(&buffer[..length]);
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
        let of = session.port;
        if !shared.ports().by_number.contains_key(&of) {
            self.end(|_, session| session.port == of);
            return;
        }
        for _ in 0..AT_ONCE {
            // Nothing there, or the container said that it does not listen: the client says it again.
            let Ok(length) = session.socket.recv(buffer) else {
                return;
            };
            session.heard = Instant::now();
            let ports = shared.ports();
            let Some(port) = ports.by_number.get(&session.port) else {
                return;
            };
            let flags = SendFlags::DONTWAIT;
            // A client that is gone, or not fast enough, loses it.
            let _ = sendto(&*port.socket, &buffer[..length], flags, &session.client);
        }
    }

    fn of(
        &mut self,
        shared: &Shared,
        of: (u64, SocketAddr),
        target: SocketAddr,
    ) -> io::Result<&mut Session> {
        let number = match self.by_client.get(&of) {
            Some(number) => *number,
            None => self.open(shared, of, target)?,
        };
        let session = self.by_number.get_mut(&number);
        Ok(session.expect("both maps hold the same sessions"))
    }

    fn open(
        &mut self,
        shared: &Shared,
        (port, client): (u64, SocketAddr),
        target: SocketAddr,
    ) -> io::Result<u64> {
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
        self.by_client.insert((port, client), number);
        let session = Session {
            port,
            client,
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
                || !ports.by_number.contains_key(&session.port)
        });
    }

    fn end(&mut self, which: impl Fn(u64, &Session) -> bool) {
        let ended = self
            .by_number
            .extract_if(.., |number, session| which(*number, session));
        for (_, session) in ended {
            self.by_client.remove(&(session.port, session.client));
        }
    }
}
