//! Holding a host port against processes of the host: a bound socket per published port.
//!
//! No packet that the kernel can carry reaches these sockets (the firewall rewrites its destination
//! first; what is left is the `relay`'s); they make `bind` of
//! another process fail, keep the kernel from using the port for an outgoing connection, and show in
//! `ss` who has it. They end with the daemon; what it meant meanwhile is reported at recovery.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

use crate::error::BindFailure;
use crate::port::{Protocol, PublishedPort};
use crate::relay::Relayed;

/// A set of more ports than this is checked and let go: a range of 16,384 ports shall not take as
/// many descriptors.
const HELD_PER_ENDPOINT: usize = 512;

/// Connections that may wait to be relayed.
const QUEUE: i32 = 128;

/// The sockets of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    sockets: Vec<(PublishedPort, OwnedFd)>,
    /// TCP and UDP on IPv6: where the kernel has no way to the container, what is sent arrives here.
    relayed: Vec<Relayed>,
}

/// The port that could not be had.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) port: PublishedPort,
    pub(crate) source: BindFailure,
}

impl Reservation {
    /// Takes another's sockets over.
    pub(crate) fn extend(&mut self, mut other: Self) {
        self.sockets.append(&mut other.sockets);
        self.relayed.append(&mut other.relayed);
    }

    /// Takes the sockets of these ports of the host out.
    pub(crate) fn split_off(&mut self, ports: &[PublishedPort]) -> Self {
        let sockets = self
            .sockets
            .extract_if(.., |(held, _)| ports.iter().any(|p| p.same_on_host(held)));
        let sockets = sockets.collect();
        let relayed = self.relayed.extract_if(.., |held| {
            let held = (held.protocol, held.host.ip(), held.host.port());
            ports
                .iter()
                .any(|p| (p.protocol, p.host_ip, p.host_port) == held)
        });
        let relayed = relayed.collect();
        Self { sockets, relayed }
    }

    /// The sockets at which something may arrive.
    pub(crate) fn relayed(&self) -> &[Relayed] {
        &self.relayed
    }

    fn hold(&mut self, port: &PublishedPort, socket: Option<OwnedFd>) {
        let Some(socket) = socket else {
            return;
        };
        if port.host_ip.is_ipv6() && port.protocol != Protocol::Sctp {
            self.relayed.push(Relayed {
                protocol: port.protocol,
                host: SocketAddr::new(port.host_ip, port.host_port),
                socket: Arc::new(socket),
            });
        } else {
            self.sockets.push((port.clone(), socket));
        }
    }

    /// Binds every port, or none.
    pub(crate) fn bind(ports: &[PublishedPort]) -> Result<Self, Refused> {
        let mut held = Self::default();
        for port in ports.iter().filter(|port| port.host_port != 0) {
            let bound = bind(port).map_err(|source| Refused {
                port: port.clone(),
                source,
            })?;
            if ports.len() <= HELD_PER_ENDPOINT {
                held.hold(port, bound);
            }
        }
        Ok(held)
    }

    /// Binds what can be had and tells the rest.
    pub(crate) fn bind_what_is_free(ports: &[PublishedPort]) -> (Self, Vec<Refused>) {
        let (mut held, mut refused) = (Self::default(), Vec::new());
        let on_host = ports.iter().filter(|port| port.host_port != 0);
        for port in on_host.take(HELD_PER_ENDPOINT) {
            match bind(port) {
                Ok(bound) => held.hold(port, bound),
                Err(source) => refused.push(Refused {
                    port: port.clone(),
                    source,
                }),
            }
        }
        (held, refused)
    }
}

impl Drop for Reservation {
    /// A program that is being started has copies of all sockets until it executes, so that closing ours
    /// alone would keep the ports for that long. A TCP socket that does not listen any more does not stand
    /// in the way of the next that may reuse its address, and all of ours may. UDP knows no such step.
    fn drop(&mut self) {
        let relayed = self.relayed.iter().map(|held| &*held.socket);
        let held = self.sockets.iter().map(|(_, socket)| socket);
        for socket in held.chain(relayed) {
            // Of UDP this is refused, and an end of TCP that fails leaves what closing it ends.
            let _ = net::shutdown(socket, net::Shutdown::Both);
        }
    }
}

/// A kernel without SCTP sockets forwards SCTP all the same, and no process can have the port.
fn bind(port: &PublishedPort) -> Result<Option<OwnedFd>, BindFailure> {
    let (kind, protocol) = match port.protocol {
        Protocol::Tcp => (SocketType::STREAM, None),
        Protocol::Udp => (SocketType::DGRAM, None),
        Protocol::Sctp => (SocketType::STREAM, Some(ipproto::SCTP)),
    };
    let family = match port.host_ip {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = match net::socket_with(family, kind, SocketFlags::CLOEXEC, protocol) {
        Ok(socket) => socket,
        Err(Errno::PROTONOSUPPORT) if port.protocol == Protocol::Sctp => return Ok(None),
        Err(errno) => return Err(failure(errno)),
    };
    bind_to(
        &socket,
        SocketAddr::new(port.host_ip, port.host_port),
        port.protocol,
    )
    .map_err(failure)?;
    Ok(Some(socket))
}

/// TCP: reuse allows a port whose last connections of a process linger; a socket that listens then
/// refuses every later bind, with reuse or without. UDP: exclusive as it is.
fn bind_to(socket: &OwnedFd, address: SocketAddr, protocol: Protocol) -> Result<(), Errno> {
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(socket, true)?;
        rustix::io::ioctl_fionbio(socket, true)?;
    }
    if protocol == Protocol::Tcp {
        sockopt::set_socket_reuseaddr(socket, true)?;
    }
    net::bind(socket, &address)?;
    if protocol == Protocol::Tcp {
        net::listen(socket, if address.is_ipv6() { QUEUE } else { 0 })?;
    }
    Ok(())
}

fn failure(errno: Errno) -> BindFailure {
    match errno {
        Errno::ADDRINUSE => BindFailure::InUse,
        Errno::ADDRNOTAVAIL => BindFailure::NotLocal,
        other => BindFailure::Other(other.into()),
    }
}

/// Can a process of this namespace listen on IPv6? Not where it is switched off.
pub(crate) fn has_ipv6() -> bool {
    let opened = net::socket_with(
        AddressFamily::INET6,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    );
    opened
        .is_ok_and(|socket| net::bind(&socket, &SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).is_ok())
}

/// The ports the kernel gives to connections of the host, which dockerd also publishes from.
pub(crate) fn ephemeral_range() -> std::ops::RangeInclusive<u16> {
    const DEFAULT: std::ops::RangeInclusive<u16> = 32768..=60999;
    let Ok(text) = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range") else {
        return DEFAULT;
    };
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(low)), Some(Ok(high))) if 0 < low && low <= high => low..=high,
        _ => DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host_port: u16, protocol: Protocol) -> PublishedPort {
        PublishedPort {
            container_port: 1,
            protocol,
            host_ip: IpAddr::from([127, 0, 0, 1]),
            host_port,
        }
    }

    #[test]
    fn a_reserved_port_cannot_be_bound_until_it_is_let_go() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let ports = [port(free.port(), Protocol::Tcp)];
        let held = Reservation::bind(&ports).unwrap();
        assert!(
            std::net::TcpListener::bind(free).is_err(),
            "std binds with SO_REUSEADDR"
        );
        let refused = Reservation::bind(&ports).unwrap_err();
        assert!(matches!(refused.source, BindFailure::InUse), "{refused:?}");
        drop(held);
        assert!(std::net::TcpListener::bind(free).is_ok());
    }

    #[test]
    fn a_port_is_free_at_once_though_a_child_that_starts_has_a_copy_of_the_socket() {
        for address in [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()] {
            let free = std::net::TcpListener::bind((address, 0)).unwrap();
            let ports = [PublishedPort {
                host_ip: address,
                ..port(free.local_addr().unwrap().port(), Protocol::Tcp)
            }];
            drop(free);
            let held = Reservation::bind(&ports).unwrap();
            let of_ipv4 = held.sockets.iter().map(|(_, socket)| socket);
            let of_ipv6 = held.relayed.iter().map(|held| &*held.socket);
            let copies: Vec<_> = of_ipv4
                .chain(of_ipv6)
                .map(|socket| socket.try_clone().unwrap())
                .collect();
            drop(held);
            Reservation::bind(&ports).expect("let go");
            assert_eq!(copies.len(), 1);
        }
    }

    #[test]
    fn udp_is_exclusive_and_foreign_addresses_are_refused() {
        let process = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = port(process.local_addr().unwrap().port(), Protocol::Udp);
        assert!(matches!(
            Reservation::bind(std::slice::from_ref(&taken))
                .unwrap_err()
                .source,
            BindFailure::InUse
        ));
        let (_, refused) = Reservation::bind_what_is_free(&[taken]);
        assert_eq!(refused.len(), 1);
        let foreign = PublishedPort {
            host_ip: IpAddr::from([192, 0, 2, 1]),
            ..port(1, Protocol::Tcp)
        };
        assert!(matches!(
            Reservation::bind(&[foreign]).unwrap_err().source,
            BindFailure::NotLocal
        ));
    }
}
