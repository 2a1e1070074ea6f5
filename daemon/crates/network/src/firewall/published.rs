//! Published ports in the table: four maps, looked up in order by the first packet of a connection, and
//! one of ports that are open at the container's own address.

use std::net::IpAddr;

use gantry_netlink::nft::{
    Batch, Data, DataType, Element, Expression, MetaKey, PayloadBase, Register, Set, Value, Verdict,
};

use super::terms::{destination, verdict_of};
use super::{address_type, nft_family};
use crate::definition::GatewayMode;
use crate::port::{Protocol, PublishedPort};
use crate::store::Family;

/// host address . protocol . port → container address . port
const BOUND: &str = "bound_ports";
/// protocol . port → container address . port, for publications on every address of the host
const ANY: &str = "ports";
/// As `BOUND`, for ranges whose ports are the same on both sides: one element each.
const BOUND_RANGES: &str = "bound_ranges";
/// As `ANY`, for such ranges.
const ANY_RANGES: &str = "ranges";
/// container address . protocol . port → accept, where others reach containers at their own addresses
const OPEN: &str = "open_ports";

/// All that hold something of endpoints.
pub(crate) const MAPS: [&str; 5] = [BOUND, ANY, BOUND_RANGES, ANY_RANGES, OPEN];

/// Shorter runs are single elements: interval maps are rewritten as a whole at each change.
const SHORTEST_RANGE: u16 = 16;

/// The ports that one endpoint publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) ports: Vec<PublishedPort>,
    /// Of IPv4 and IPv6.
    pub(crate) targets: [Option<Target>; 2],
}

/// Where a family's packets for published ports go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) container: IpAddr,
    pub(crate) mode: GatewayMode,
    /// Are ports open at the container's own address, for some or for all?
    pub(crate) open: bool,
}

impl Publication {
    /// What the kernel carries for a family: a port of another family than its container's is relayed.
    fn of(&self, family: Family) -> Option<(Target, Vec<PublishedPort>)> {
        let target = self.targets[match family {
            Family::V4 => 0,
            Family::V6 => 1,
        }]?;
        let ports = self.ports.iter();
        let own = ports
            .filter(|port| Family::of(port.host_ip) == family)
            .cloned();
        Some((target, own.collect()))
    }
}

/// Consecutive ports, each published as itself, or one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    host_ip: IpAddr,
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

pub(crate) fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

/// The map that a run belongs to, and its element there.
fn element(run: Run, container: IpAddr) -> (&'static str, Element) {
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

/// The element that opens a run of ports at the container's own address.
fn opening(run: Run, container: IpAddr) -> Element {
    let key = |port: u16| {
        [
            Value::Address(container),
            Value::Protocol(protocol_number(run.protocol)),
            Value::Port(port),
        ]
    };
    let last = key(run.container + (run.count - 1));
    Element::range_verdict(&key(run.container), &last, Verdict::Accept)
}

/// All elements by map.
fn elements(family: Family, published: &[Publication]) -> [(&'static str, Vec<Element>); 5] {
    let mut maps = MAPS.map(|map| (map, Vec::new()));
    let mut put = |name: &str, element: Element| {
        let map = maps.iter_mut().find(|(map, _)| *map == name);
        map.expect("one of the five").1.push(element);
    };
    for (target, ports) in published.iter().filter_map(|p| p.of(family)) {
        let on_host = ports.iter().filter(|port| port.host_port != 0);
        for run in runs(&on_host.cloned().collect::<Vec<_>>()) {
            let (name, element) = element(run, target.container);
            put(name, element);
        }
        if target.open {
            for run in runs(&at_container(ports)) {
                put(OPEN, opening(run, target.container));
            }
        }
    }
    maps
}

/// The same ports, each once, as if they were published as themselves.
fn at_container(ports: Vec<PublishedPort>) -> Vec<PublishedPort> {
    let mut own = Vec::with_capacity(ports.len());
    for mut port in ports {
        port.host_port = port.container_port;
        port.host_ip = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        own.push(port);
    }
    own.sort_by_key(|port| (port.protocol, port.container_port));
    own.dedup();
    own
}

pub(super) fn add(batch: &mut Batch, family: Family, published: &[Publication]) {
    for (map, elements) in elements(family, published) {
        batch.add_elements(map, &elements);
    }
}

pub(super) fn delete(batch: &mut Batch, family: Family, published: &[Publication]) {
    for (map, elements) in elements(family, published) {
        batch.delete_elements(map, &elements);
    }
}

pub(super) fn replace(batch: &mut Batch, family: Family, from: &[Publication], to: &[Publication]) {
    let (before, after) = (elements(family, from), elements(family, to));
    let without = |all: &[Element], others: &[Element]| {
        let rest = all.iter().filter(|element| !others.contains(element));
        rest.cloned().collect::<Vec<_>>()
    };
    for ((map, old), (_, new)) in before.iter().zip(&after) {
        batch.delete_elements(map, &without(old, new));
    }
    for ((_, old), (map, new)) in before.iter().zip(&after) {
        batch.add_elements(map, &without(new, old));
    }
}

pub(super) fn add_maps(batch: &mut Batch, family: Family) {
    let address = address_type(family);
    let bound = [address, DataType::Protocol, DataType::Port];
    let target = [address, DataType::Port];
    let single = Data::Fields(&target);
    let range = Data::Fields(&target[..1]);
    let maps: [(&str, &[DataType], Data<'_>, bool); 5] = [
        (BOUND, &bound, single, false),
        (ANY, &bound[1..], single, false),
        (BOUND_RANGES, &bound, range, true),
        (ANY_RANGES, &bound[1..], range, true),
        (OPEN, &bound, Data::Verdict, true),
    ];
    for (name, key, data, interval) in maps {
        batch.add_set(&Set {
            name,
            key,
            data,
            interval,
        });
    }
}

/// Registers that an address takes.
pub(super) fn width(family: Family) -> u8 {
    match family {
        Family::V4 => 1,
        Family::V6 => 4,
    }
}

/// Loads protocol and destination port into two registers.
pub(super) fn load_port(first: u8) -> [Expression; 2] {
    [
        Expression::Meta {
            key: MetaKey::TransportProtocol,
            to: Register(first),
        },
        Expression::Payload {
            base: PayloadBase::Transport,
            offset: 2,
            length: 2,
            to: Register(first + 1),
        },
    ]
}

/// Obeys what is said of the packet's destination in the map of open ports.
pub(super) fn look_up_open(family: Family) -> Vec<Expression> {
    let [protocol, port] = load_port(width(family));
    vec![destination(family), protocol, port, verdict_of(OPEN)]
}

/// For each map: goes on only with what is published in it.
pub(super) fn is_published(family: Family) -> [Vec<Expression>; 4] {
    rules(family).map(|mut rule| {
        // All but the change of the destination.
        rule.pop();
        rule
    })
}

/// The look-ups: the key in the first registers, the target from the ninth on.
pub(super) fn rules(family: Family) -> [Vec<Expression>; 4] {
    let (address, port) = (Register(8), Register(8 + width(family)));
    let rule = |map: &str, bound: bool, port: Option<Register>| {
        let mut rule = Vec::new();
        if bound {
            rule.push(destination(family));
        }
        rule.extend(load_port(if bound { width(family) } else { 0 }));
        rule.push(Expression::Lookup {
            map: map.to_owned(),
            key: Register(0),
            to: address,
        });
        rule.push(Expression::DestinationNat {
            family: nft_family(family),
            address,
            port,
        });
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
            host_ip: IpAddr::from([0, 0, 0, 0]),
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
