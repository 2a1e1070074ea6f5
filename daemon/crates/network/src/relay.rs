//! The one relay of the engine: connections and datagrams that the kernel cannot lead to a container.
//!
//! Packets for published ports are rewritten by the kernel, except where it has no way: what a process of
//! the host sends to `[::1]` cannot leave the host (IPv6 has no `route_localnet`), and a container without
//! an IPv6 address cannot get packets of IPv6. Those connections arrive at the sockets that hold the host's
//! ports, and one thread takes them, for all ports of the engine; each connection then has a thread with a
//! small stack that copies; datagrams are [`datagrams`]. No packet that the kernel can carry comes here (ADR 34).
//!
//! It lives as long as the daemon: while that is away such connections are refused.

mod datagrams;

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::port::{Protocol, PublishedPort};
use datagrams::Datagrams;

/// What tells the thread to end.
const STOP: u64 = 0;
/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1024;
/// A copying thread needs little beside its buffer on the heap.
const STACK: usize = 64 * 1024;
/// How long a container may take to answer the first packet.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a full house waits before it looks again.
const FULL_HOUSE: Duration = Duration::from_millis(20);

/// A port that is relayed.
#[derive(Debug)]
struct Port {
    listener: Arc<OwnedFd>,
    target: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    epoll: OwnedFd,
    stop: OwnedFd,
    ports: Mutex<Ports>,
}

#[derive(Debug, Default)]
struct Ports {
    by_number: BTreeMap<u64, (SocketAddr, Port)>,
    last: u64,
}

impl Shared {
    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port of the host where something may arrive that the kernel cannot lead on.
#[derive(Clone, Debug)]
pub(crate) struct Relayed {
    pub(crate) protocol: Protocol,
    pub(crate) host: SocketAddr,
    /// What holds it.
    pub(crate) socket: Arc<OwnedFd>,
}

/// The relay; its thread is started with the first port and ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    running: Mutex<Option<(Arc<Shared>, JoinHandle<()>)>>,
    datagrams: Datagrams,
}

impl Relay {
    /// Leads what arrives at a port on to `target`, whatever it was led to before.
    pub(crate) fn lead(&self, port: &Relayed, target: SocketAddr) -> io::Result<()> {
        match port.protocol {
            Protocol::Tcp => self.lead_connections(port.host, &port.socket, target),
            Protocol::Udp => self.datagrams.lead(port.host, &port.socket, target),
            Protocol::Sctp => Ok(()),
        }
    }

    fn lead_connections(
        &self,
        host: SocketAddr,
        listener: &Arc<OwnedFd>,
        target: SocketAddr,
    ) -> io::Result<()> {
        let shared = self.start()?;
        let mut ports = shared.ports();
        ports.by_number.retain(|_, (known, _)| *known != host);
        ports.last += 1;
        let number = ports.last;
        let data = EventData::new_u64(number);
        let again = EventFlags::IN;
        match epoll::add(&shared.epoll, listener.as_fd(), data, again) {
            Err(Errno::EXIST) => epoll::modify(&shared.epoll, listener.as_fd(), data, again)?,
            other => other?,
        }
        let port = Port {
            listener: Arc::clone(listener),
            target,
        };
        ports.by_number.insert(number, (host, port));
        Ok(())
    }

    /// Takes no more connections to these, and no more datagrams; connections that are open go on.
    pub(crate) fn forget<'a>(&self, ports: impl IntoIterator<Item = &'a PublishedPort>) {
        let (mut tcp, mut udp) = (Vec::new(), Vec::new());
        // A number of UDP's may be another container's of TCP.
        for port in ports {
            let host = SocketAddr::new(port.host_ip, port.host_port);
            match port.protocol {
                Protocol::Tcp => tcp.push(host),
                Protocol::Udp => udp.push(host),
                Protocol::Sctp => {}
            }
        }
        self.datagrams.forget(&udp);
        self.forget_connections(&tcp);
    }

    fn forget_connections(&self, hosts: &[SocketAddr]) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((shared, _)) = running.as_ref() else {
            return;
        };
        let gone = |_: &u64, entry: &mut (SocketAddr, Port)| hosts.contains(&entry.0);
        let taken: Vec<_> = shared.ports().by_number.extract_if(.., gone).collect();
        for (_, (_, port)) in taken {
            // One that is not there any more is as good.
            let _ = epoll::delete(&shared.epoll, port.listener.as_fd());
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
        epoll::add(
            &shared.epoll,
            &shared.stop,
            EventData::new_u64(STOP),
            EventFlags::IN,
        )?;
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("net-relay".to_owned())
            .spawn(move || take_connections(&theirs))?;
        *running = Some((Arc::clone(&shared), thread));
        Ok(shared)
    }
}

impl Drop for Relay {
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
            tracing::error!("the relay's thread panicked");
        }
    }
}

fn take_connections(shared: &Shared) {
    let connections = Arc::new(());
    let mut events = Vec::with_capacity(64);
    loop {
        events.clear();
        match epoll::wait(&shared.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => {
                tracing::error!(error = %io::Error::from(errno), "the relay has ended");
                return;
            }
        }
        for event in &events {
            let number = event.data.u64();
            if number == STOP {
                return;
            }
            while Arc::strong_count(&connections) > CONNECTIONS_MAX {
                thread::sleep(FULL_HOUSE);
            }
            take_one(shared, number, &connections);
        }
    }
}

fn take_one(shared: &Shared, number: u64, connections: &Arc<()>) {
    let (listener, target) = match shared.ports().by_number.get(&number) {
        Some((_, port)) => (Arc::clone(&port.listener), port.target),
        None => return,
    };
    // The listener does not wait: a client may have gone again.
    let Ok(client) = accept_with(&*listener, SocketFlags::CLOEXEC) else {
        return;
    };
    let held = Arc::clone(connections);
    let spawned = thread::Builder::new()
        .name("net-relayed".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            if let Err(error) = carry(TcpStream::from(client), target) {
                tracing::debug!(%target, %error, "a relayed connection has ended");
            }
            drop(held);
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, "a connection could not be relayed");
    }
}

/// Both ways until both have ended.
fn carry(client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect_timeout(&target, CONNECT_LIMIT)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let upward = thread::Builder::new()
        .name("net-relayed".to_owned())
        .stack_size(STACK)
        .spawn(move || copy(from_client, to_server))?;
    copy(server, client);
    // A panic there has ended its direction as well.
    let _ = upward.join();
    Ok(())
}

/// One way until its source ends, which its destination is told.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let copied = io::copy(&mut from, &mut to);
    // Whoever has gone already needs not be told.
    let _ = to.shutdown(Shutdown::Write);
    if copied.is_err() {
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
