//! Conditions that rules are made of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gantry_netlink::nft::{
    Comparison, CtKey, Expression, FibResult, MetaKey, PayloadBase, Register, Verdict,
};
use ipnet::IpNet;

use super::REGISTER;
use crate::store::Family;

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The host's own addresses.
pub(super) fn loopback(family: Family) -> IpNet {
    let net = match family {
        Family::V4 => IpNet::new(Ipv4Addr::new(127, 0, 0, 0).into(), 8),
        Family::V6 => IpNet::new(Ipv6Addr::LOCALHOST.into(), 128),
    };
    net.expect("a literal network")
}

/// The addresses that every link has of itself.
pub(super) fn link_local() -> IpNet {
    let first = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
    IpNet::new(first.into(), 10).expect("a literal network")
}

pub(super) fn with(conditions: &[Expression], action: Expression) -> Vec<Expression> {
    let mut rule = conditions.to_vec();
    rule.push(action);
    rule
}

pub(super) fn jump(chain: &str) -> Expression {
    Expression::Decide(Verdict::Jump(chain.to_owned()))
}

pub(super) fn verdict_of(map: &str) -> Expression {
    Expression::LookupVerdict {
        map: map.to_owned(),
        key: REGISTER,
    }
}

pub(super) fn by_interface(key: MetaKey, map: &str) -> [Expression; 2] {
    [Expression::Meta { key, to: REGISTER }, verdict_of(map)]
}

pub(super) fn compare(how: Comparison, value: &[u8]) -> Expression {
    Expression::Compare {
        register: REGISTER,
        how,
        value: value.to_vec(),
    }
}

pub(super) fn established() -> [Expression; 3] {
    Expression::ct_has(CtKey::State, CtKey::ESTABLISHED | CtKey::RELATED)
}

pub(super) fn destination_is_local() -> [Expression; 2] {
    [
        Expression::Fib {
            result: FibResult::DestinationType,
            to: REGISTER,
        },
        compare(Comparison::Equal, &FibResult::LOCAL.to_ne_bytes()),
    ]
}

pub(super) fn source(family: Family) -> Expression {
    let offset = match family {
        Family::V4 => 12,
        Family::V6 => 8,
    };
    address_at(family, offset)
}

/// Loads the address that a packet goes to.
pub(super) fn destination(family: Family) -> Expression {
    let offset = match family {
        Family::V4 => 16,
        Family::V6 => 24,
    };
    address_at(family, offset)
}

pub(super) fn address_at(family: Family, offset: u32) -> Expression {
    address_at_register(family, offset, REGISTER)
}

pub(super) fn address_at_register(family: Family, offset: u32, to: Register) -> Expression {
    Expression::Payload {
        base: PayloadBase::Network,
        offset,
        length: match family {
            Family::V4 => 4,
            Family::V6 => 16,
        },
        to,
    }
}

pub(super) fn source_in(network: IpNet) -> Vec<Expression> {
    within(source(Family::of(network.addr())), network)
}

pub(super) fn destination_in(network: IpNet) -> Vec<Expression> {
    within(destination(Family::of(network.addr())), network)
}

pub(super) fn within(address: Expression, network: IpNet) -> Vec<Expression> {
    vec![
        address,
        Expression::MaskBytes {
            register: REGISTER,
            mask: octets(network.netmask()),
        },
        compare(Comparison::Equal, &octets(network.network())),
    ]
}
