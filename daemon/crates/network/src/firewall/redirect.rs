//! The table inside a container's namespace that leads its queries for names to the ports of its
//! server, so that a server of the container's own can have port 53.

use std::net::Ipv4Addr;

use gantry_netlink::nft::{
    BaseChain, Batch, Comparison, Expression, Family, Hook, MetaKey, PayloadBase, Register,
    priority,
};

/// Its name; there is one per namespace.
const TABLE: &str = "gantry_names";
const DNS_PORT: u16 = 53;
const UDP: u8 = 17;
const TCP: u8 = 6;

/// Where the server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) udp: u16,
    pub(crate) tcp: u16,
}

/// The table, in place of what is there.
pub(crate) fn names(server: Ipv4Addr, ports: Ports) -> Batch {
    let mut batch = Batch::new(Family::Ipv4, TABLE);
    let output = BaseChain::Nat {
        hook: Hook::Output,
        priority: priority::DSTNAT,
    };
    batch
        .add_table()
        .delete_table()
        .add_table()
        .add_base_chain("output", output)
        .add_rule("output", &lead(server, UDP, ports.udp))
        .add_rule("output", &lead(server, TCP, ports.tcp));
    batch
}

fn lead(server: Ipv4Addr, protocol: u8, port: u16) -> Vec<Expression> {
    let equal = |register, value: &[u8]| Expression::Compare {
        register,
        how: Comparison::Equal,
        value: value.to_vec(),
    };
    let load = |base, offset, length| Expression::Payload {
        base,
        offset,
        length,
        to: Register(0),
    };
    let (address, target) = (Register(4), Register(5));
    vec![
        load(PayloadBase::Network, 16, 4),
        equal(Register(0), &server.octets()),
        Expression::Meta {
            key: MetaKey::TransportProtocol,
            to: Register(0),
        },
        equal(Register(0), &[protocol]),
        load(PayloadBase::Transport, 2, 2),
        equal(Register(0), &DNS_PORT.to_be_bytes()),
        Expression::Value {
            bytes: server.octets().to_vec(),
            to: address,
        },
        Expression::Value {
            bytes: port.to_be_bytes().to_vec(),
            to: target,
        },
        Expression::DestinationNat {
            family: Family::Ipv4,
            address,
            port: Some(target),
        },
    ]
}
