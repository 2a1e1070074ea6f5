//! Which host ports are published by whom. Pure; whether a process of the host has a port is
//! `reservation`'s question.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::port::{HostPort, PortRequest, Protocol, PublishedPort};

/// A host port that turned out to be in use by a process of the host.
pub(crate) type Busy = BTreeSet<(Protocol, u16)>;

/// Why ports cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// Another container publishes it, on that address.
    Allocated { address: IpAddr, port: u16 },
    /// None of the candidates is free.
    Exhausted,
}

/// All published ports of an engine.
#[derive(Clone, Debug)]
pub(crate) struct PortBook {
    held: BTreeMap<(Protocol, u16), Vec<IpAddr>>,
    ephemeral: RangeInclusive<u16>,
    /// Where the search for a free port goes on, so that one just given back is not the next one given.
    next: BTreeMap<Protocol, u16>,
}

impl PortBook {
    /// An empty book that takes ports that nobody asked for from `ephemeral`.
    pub(crate) fn new(ephemeral: RangeInclusive<u16>) -> Self {
        Self {
            held: BTreeMap::new(),
            ephemeral,
            next: BTreeMap::new(),
        }
    }

    /// Settles and takes all requests, or none: each on every address beside it, with one port number.
    /// `busy` is known to be taken by processes.
    pub(crate) fn allocate(
        &mut self,
        requests: &[(&PortRequest, Vec<IpAddr>)],
        busy: &Busy,
    ) -> Result<Vec<PublishedPort>, Unavailable> {
        let mut given = Vec::with_capacity(requests.len());
        for (request, addresses) in requests.iter().filter(|(_, on)| !on.is_empty()) {
            match self.choose(request, addresses, busy) {
                Ok(host_port) => {
                    for address in addresses {
                        let port = PublishedPort {
                            container_port: request.container_port,
                            protocol: request.protocol,
                            host_ip: *address,
                            host_port,
                        };
                        self.take(&port);
                        given.push(port);
                    }
                }
                Err(unavailable) => {
                    self.release(&given);
                    return Err(unavailable);
                }
            }
        }
        Ok(given)
    }

    /// The same, as if those that are `leaving` were free; they stay taken until they are released.
    pub(crate) fn allocate_beside(
        &mut self,
        requests: &[(&PortRequest, Vec<IpAddr>)],
        leaving: &[PublishedPort],
        busy: &Busy,
    ) -> Result<Vec<PublishedPort>, Unavailable> {
        let mut trial = self.clone();
        trial.release(leaving);
        let given = trial.allocate(requests, busy)?;
        for port in &given {
            self.take(port);
        }
        self.next = trial.next;
        Ok(given)
    }

    fn choose(
        &mut self,
        request: &PortRequest,
        addresses: &[IpAddr],
        busy: &Busy,
    ) -> Result<u16, Unavailable> {
        let protocol = request.protocol;
        let holder = |port: u16| {
            addresses
                .iter()
                .find_map(|a| self.holder(protocol, *a, port))
        };
        let free = |port: u16| !busy.contains(&(protocol, port)) && holder(port).is_none();
        match request.host_port {
            HostPort::Exact(port) => match holder(port) {
                Some(address) => Err(Unavailable::Allocated { address, port }),
                None => Ok(port),
            },
            HostPort::FirstFree { first, last } => (first..=last)
                .find(|p| free(*p))
                .ok_or(Unavailable::Exhausted),
            HostPort::Any => {
                let (low, high) = (*self.ephemeral.start(), *self.ephemeral.end());
                let from = self
                    .next
                    .get(&protocol)
                    .copied()
                    .unwrap_or(low)
                    .clamp(low, high);
                let port = (from..=high)
                    .chain(low..from)
                    .find(|p| free(*p))
                    .ok_or(Unavailable::Exhausted)?;
                self.next
                    .insert(protocol, if port == high { low } else { port + 1 });
                Ok(port)
            }
        }
    }

    /// The address on which a port is published so that it collides with `address`.
    fn holder(&self, protocol: Protocol, address: IpAddr, port: u16) -> Option<IpAddr> {
        let held = self.held.get(&(protocol, port))?;
        held.iter()
            .copied()
            .filter(|h| h.is_ipv4() == address.is_ipv4())
            .find(|h| *h == address || h.is_unspecified() || address.is_unspecified())
    }

    /// Notes a port that was settled earlier (recovery).
    pub(crate) fn take(&mut self, port: &PublishedPort) {
        self.held
            .entry((port.protocol, port.host_port))
            .or_default()
            .push(port.host_ip);
    }

    pub(crate) fn release(&mut self, ports: &[PublishedPort]) {
        for port in ports {
            let key = (port.protocol, port.host_port);
            let Some(held) = self.held.get_mut(&key) else {
                continue;
            };
            if let Some(index) = held.iter().position(|h| *h == port.host_ip) {
                held.swap_remove(index);
            }
            if held.is_empty() {
                self.held.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn request(host_ip: Option<IpAddr>, host_port: HostPort) -> PortRequest {
        PortRequest {
            container_port: 80,
            protocol: Protocol::Tcp,
            host_ip,
            host_port,
        }
    }

    fn book() -> PortBook {
        PortBook::new(32768..=32770)
    }

    fn on(requests: &[PortRequest]) -> Vec<(&PortRequest, Vec<IpAddr>)> {
        let on = |request: &PortRequest| vec![request.host_ip.unwrap_or(ANY)];
        requests.iter().map(|r| (r, on(r))).collect()
    }

    fn one(book: &mut PortBook, request: PortRequest) -> Result<u16, Unavailable> {
        book.allocate(&on(&[request]), &Busy::new())
            .map(|p| p[0].host_port)
    }

    #[test]
    fn conflicts_name_the_address_that_is_there_as_dockerd_does() {
        let mut book = book();
        let local = Some(LOCAL);
        assert_eq!(
            one(&mut book, request(None, HostPort::Exact(8080))),
            Ok(8080)
        );
        let taken = Err(Unavailable::Allocated {
            address: ANY,
            port: 8080,
        });
        assert_eq!(one(&mut book, request(None, HostPort::Exact(8080))), taken);
        assert_eq!(one(&mut book, request(local, HostPort::Exact(8080))), taken);
        assert_eq!(
            one(&mut book, request(local, HostPort::Exact(8081))),
            Ok(8081)
        );
        let taken = Err(Unavailable::Allocated {
            address: LOCAL,
            port: 8081,
        });
        assert_eq!(one(&mut book, request(None, HostPort::Exact(8081))), taken);
        let other = Some(IpAddr::from([127, 0, 0, 2]));
        assert_eq!(
            one(&mut book, request(other, HostPort::Exact(8081))),
            Ok(8081)
        );
    }

    #[test]
    fn protocols_do_not_collide() {
        let mut book = book();
        assert!(one(&mut book, request(None, HostPort::Exact(53))).is_ok());
        let udp = PortRequest {
            protocol: Protocol::Udp,
            ..request(None, HostPort::Exact(53))
        };
        assert!(one(&mut book, udp).is_ok());
    }

    #[test]
    fn ranges_give_the_first_free_and_then_end() {
        let mut book = book();
        let range = HostPort::FirstFree {
            first: 9100,
            last: 9101,
        };
        assert_eq!(one(&mut book, request(None, range)), Ok(9100));
        assert_eq!(one(&mut book, request(None, range)), Ok(9101));
        assert_eq!(
            one(&mut book, request(None, range)),
            Err(Unavailable::Exhausted)
        );
    }

    #[test]
    fn ephemeral_ports_go_round_and_skip_what_processes_have() {
        let mut book = book();
        let busy = Busy::from([(Protocol::Tcp, 32769)]);
        let any = request(None, HostPort::Any);
        let first = book
            .allocate(&on(std::slice::from_ref(&any)), &busy)
            .unwrap();
        assert_eq!(first[0].host_port, 32768);
        assert_eq!(
            book.allocate(&on(std::slice::from_ref(&any)), &busy)
                .unwrap()[0]
                .host_port,
            32770
        );
        assert_eq!(
            book.allocate(&on(std::slice::from_ref(&any)), &busy),
            Err(Unavailable::Exhausted)
        );
        book.release(&first);
        assert_eq!(
            book.allocate(&on(&[any]), &busy).unwrap()[0].host_port,
            32768
        );
    }

    #[test]
    fn all_or_nothing() {
        let mut book = book();
        let twice = [
            request(None, HostPort::Exact(1)),
            request(None, HostPort::Exact(1)),
        ];
        assert!(book.allocate(&on(&twice), &Busy::new()).is_err());
        assert!(book.held.is_empty());
    }

    #[test]
    fn both_families_have_one_number_and_do_not_collide() {
        let mut book = book();
        let any: IpAddr = "::".parse().unwrap();
        let asked = request(None, HostPort::Any);
        let both = book
            .allocate(&[(&asked, vec![ANY, any])], &Busy::new())
            .unwrap();
        assert_eq!(both[0].host_port, both[1].host_port);
        assert_eq!((both[0].host_ip, both[1].host_ip), (ANY, any));
        let exact = request(None, HostPort::Exact(80));
        assert!(book.allocate(&[(&exact, vec![any])], &Busy::new()).is_ok());
        assert!(book.allocate(&[(&exact, vec![ANY])], &Busy::new()).is_ok());
        let nowhere = book.allocate(&[(&exact, vec![])], &Busy::new());
        assert_eq!(nowhere, Ok(vec![]));
    }
}
