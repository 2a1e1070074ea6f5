//! Published ports in the table: four maps, looked up in order by the first packet of a connection.

use std::net::Ipv4Addr;

use gantry_netlink::nft::{
    Batch, Data, DataType, Element, Expression, MetaKey, PayloadBase, Register, Set, Value,
};

use crate::port::{Protocol, PublishedPort};

/// host address . protocol . port → container address . port
const BOUND: &str = "bound_ports";
/// protocol . port → container address . port, for publications on every address of the host
const ANY: &str = "ports";
/// As `BOUND`, for ranges whose ports are the same on both sides: one element each.
const BOUND_RANGES: &str = "bound_ranges";
/// As `ANY`, for such ranges.
const ANY_RANGES: &str = "ranges";

/// Shorter runs are single elements: interval maps are rewritten as a whole at each change.
const SHORTEST_RANGE: u16 = 16;

/// The ports that one endpoint publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) container: Ipv4Addr,
    pub(crate) ports: Vec<PublishedPort>,
}

/// Consecutive ports, each published as itself, or one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    host_ip: Ipv4Addr,
    protocol: Protocol,
    host: u16,
    container: u16,
    count: u16,
}

impl Run {
    fn of(port: &PublishedPort) -> Self {
        let PublishedPort {
            container_port: container,
            protocol,
            host_ip,
            host_port: host,
        } = *port;
        Self {
            host_ip,
            protocol,
            host,
            container,
            count: 1,
        }
    }

    fn continues_with(&self, port: &PublishedPort) -> bool {
        let next = Self::of(port);
        (self.host_ip, self.protocol) == (next.host_ip, next.protocol)
            && self.host == self.container
            && next.host == next.container
            && self.host.checked_add(self.count) == Some(next.host)
    }

    /// Splits a run that is too short for an interval.
    fn singles(self) -> impl Iterator<Item = Self> {
        (0..self.count).map(move |n| Self {
            host: self.host + n,
            container: self.container + n,
            count: 1,
            ..self
        })
    }
}

fn runs(ports: &[PublishedPort]) -> Vec<Run> {
    let mut sorted: Vec<_> = ports.iter().collect();
    sorted.sort_by_key(|p| (p.host_ip, p.protocol, p.host_port));
    let mut runs: Vec<Run> = Vec::new();
    for port in sorted {
        match runs.last_mut() {
            Some(run) if run.continues_with(port) => run.count += 1,
            _ => runs.push(Run::of(port)),
        }
    }
    let (long, short): (Vec<_>, Vec<_>) = runs.into_iter().partition(|r| r.count >= SHORTEST_RANGE);
    short
        .into_iter()
        .flat_map(Run::singles)
        .chain(long)
        .collect()
}

fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

/// The map that a run belongs to, and its element there.
fn element(run: Run, container: Ipv4Addr) -> (&'static str, Element) {
    let bound = !run.host_ip.is_unspecified();
    let key = |port: u16| {
        let mut key = vec![
            Value::Protocol(protocol_number(run.protocol)),
            Value::Port(port),
        ];
        if bound {
            key.insert(0, Value::Address(run.host_ip));
        }
        key
    };
    if run.count == 1 {
        let target = [Value::Address(container), Value::Port(run.container)];
        let map = if bound { BOUND } else { ANY };
        (map, Element::value(&key(run.host), &target))
    } else {
        let map = if bound { BOUND_RANGES } else { ANY_RANGES };
        let last = key(run.host + (run.count - 1));
        (
            map,
            Element::range(&key(run.host), &last, &[Value::Address(container)]),
        )
    }
}

/// All elements by map.
fn elements(published: &[Publication]) -> [(&'static str, Vec<Element>); 4] {
    let mut maps = [BOUND, ANY, BOUND_RANGES, ANY_RANGES].map(|map| (map, Vec::new()));
    for publication in published {
        for run in runs(&publication.ports) {
            let (name, element) = element(run, publication.container);
            let (_, list) = maps
                .iter_mut()
                .find(|(map, _)| *map == name)
                .expect("one of the four");
            list.push(element);
        }
    }
    maps
}

pub(super) fn add(batch: &mut Batch, published: &[Publication]) {
    for (map, elements) in elements(published) {
        batch.add_elements(map, &elements);
    }
}

pub(super) fn delete(batch: &mut Batch, published: &[Publication]) {
    for (map, elements) in elements(published) {
        batch.delete_elements(map, &elements);
    }
}

pub(super) fn add_maps(batch: &mut Batch) {
    let bound = [DataType::Address, DataType::Protocol, DataType::Port];
    let target = [DataType::Address, DataType::Port];
    let single = Data::Fields(&target);
    let range = Data::Fields(&target[..1]);
    batch
        .add_set(&Set {
            name: BOUND,
            key: &bound,
            data: single,
            interval: false,
        })
        .add_set(&Set {
            name: ANY,
            key: &bound[1..],
            data: single,
            interval: false,
        })
        .add_set(&Set {
            name: BOUND_RANGES,
            key: &bound,
            data: range,
            interval: true,
        })
        .add_set(&Set {
            name: ANY_RANGES,
            key: &bound[1..],
            data: range,
            interval: true,
        });
}

/// The look-ups: key in registers 0 to 2, target in 4 and 5.
pub(super) fn rules() -> [Vec<Expression>; 4] {
    let (address, port) = (Register(4), Register(5));
    let rule = |map: &str, bound: bool, port: Option<Register>| {
        let mut rule = Vec::new();
        if bound {
            rule.push(Expression::Payload {
                base: PayloadBase::Network,
                offset: 16,
                length: 4,
                to: Register(0),
            });
        }
        let first = u8::from(bound);
        rule.push(Expression::Meta {
            key: MetaKey::TransportProtocol,
            to: Register(first),
        });
        rule.push(Expression::Payload {
            base: PayloadBase::Transport,
            offset: 2,
            length: 2,
            to: Register(first + 1),
        });
        rule.push(Expression::Lookup {
            map: map.to_owned(),
            key: Register(0),
            to: address,
        });
        rule.push(Expression::DestinationNat { address, port });
        rule
    };
    [
        rule(BOUND, true, Some(port)),
        rule(ANY, false, Some(port)),
        rule(BOUND_RANGES, true, None),
        rule(ANY_RANGES, false, None),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host_port: u16, container_port: u16) -> PublishedPort {
        PublishedPort {
            container_port,
            protocol: Protocol::Tcp,
            host_ip: Ipv4Addr::UNSPECIFIED,
            host_port,
        }
    }

    #[test]
    fn a_long_run_of_equal_ports_is_one_element_and_a_short_one_many() {
        let range: Vec<_> = (40000..=56383).map(|p| port(p, p)).collect();
        assert_eq!(runs(&range).len(), 1);
        assert_eq!(runs(&range)[0].count, 16384);
        let few: Vec<_> = (1..=15).map(|p| port(p, p)).collect();
        assert_eq!(runs(&few).len(), 15);
        let shifted: Vec<_> = (1000..1100).map(|p| port(p, p + 1)).collect();
        assert_eq!(runs(&shifted).len(), 100, "only equal ports make a range");
        let top: Vec<_> = (65500..=65535).map(|p| port(p, p)).collect();
        assert_eq!(runs(&top).len(), 1);
    }

    #[test]
    fn addresses_and_protocols_part_runs() {
        let mut ports: Vec<_> = (100..200).map(|p| port(p, p)).collect();
        for (index, port) in ports.iter_mut().enumerate() {
            if index >= 50 {
                port.protocol = Protocol::Udp;
            }
        }
        assert_eq!(runs(&ports).len(), 2);
    }
}
