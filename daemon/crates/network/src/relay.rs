//! The one relay of the engine: connections and datagrams that the kernel cannot lead to a container.
//!
//! Packets for published ports are rewritten by the kernel, except where it has no way: what a process of
//! the host sends to `[::1]` cannot leave the host (IPv6 has no `route_localnet`), and a container without
//! an IPv6 address cannot get packets of IPv6. Those connections arrive at the sockets that hold the host's
//! ports, and one thread takes them, for all ports of the engine; each connection then has a thread with a
//! small stack that copies; datagrams are [`datagrams`]. No packet that the kernel can carry comes here (ADR 34).
//!
//! It lives as long as the daemon: while that is away such connections are refused.

mod attended;
mod datagrams;

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::{SocketFlags, accept_with};

use crate::port::{Protocol, PublishedPort};
use attended::{Attended, Shared};

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1024;
/// A copying thread needs little beside its buffer on the heap.
const STACK: usize = 64 * 1024;
/// How long a container may take to answer the first packet.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a full house waits before it looks again.
const FULL_HOUSE: Duration = Duration::from_millis(20);

/// A port of the host where something may arrive that the kernel cannot lead on.
#[derive(Clone, Debug)]
pub(crate) struct Relayed {
    pub(crate) protocol: Protocol,
    pub(crate) host: SocketAddr,
    /// What holds it.
    pub(crate) socket: Arc<OwnedFd>,
}

/// The relay; its threads are started with the first port and end when this is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    connections: Attended,
    datagrams: Attended,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            connections: Attended::new("net-relay", take_connections),
            datagrams: Attended::new("net-relay-udp", datagrams::carry),
        }
    }
}

impl Relay {
    /// Leads what arrives at a port on to `target`, whatever it was led to before.
    pub(crate) fn lead(&self, port: &Relayed, target: SocketAddr) -> io::Result<()> {
        match port.protocol {
            Protocol::Tcp => self.connections.lead(port.host, &port.socket, target),
            Protocol::Udp => {
                datagrams::prepare(&port.socket)?;
                self.datagrams.lead(port.host, &port.socket, target)
            }
            Protocol::Sctp => Ok(()),
        }
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
        self.connections.forget(&tcp);
    }
}

fn take_connections(shared: &Shared) {
    let connections = Arc::new(());
    let mut events = Vec::with_capacity(64);
    while shared.wait(&mut events, None) {
        for event in &events {
            while Arc::strong_count(&connections) > CONNECTIONS_MAX {
                thread::sleep(FULL_HOUSE);
            }
            take_one(shared, event.data.u64(), &connections);
        }
    }
}

fn take_one(shared: &Shared, number: u64, connections: &Arc<()>) {
    let (listener, target) = match shared.ports().by_number.get(&number) {
        Some(port) => (Arc::clone(&port.socket), port.target),
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
