//! The rules of one network's own chains.

use std::net::Ipv6Addr;

use gantry_netlink::nft::{Comparison, CtKey, Expression, FibResult, MetaKey, Verdict};
use ipnet::IpNet;

use super::terms::{
    compare, destination_in, established, link_local, loopback, octets, source_in, with,
};
use super::{NetworkRules, REGISTER, nft_family, published};
use crate::definition::GatewayMode;
use crate::store::Family;

/// Hides containers behind the host's address that was chosen, or that of the device they leave by.
pub(super) fn hide(network: &NetworkRules) -> Vec<Expression> {
    let Some(address) = network.host_address else {
        return vec![Expression::Masquerade];
    };
    vec![
        Expression::Value {
            bytes: octets(address),
            to: REGISTER,
        },
        Expression::SourceNat {
            family: nft_family(network.family()),
            address: REGISTER,
        },
    ]
}

/// What containers may begin to send: nothing to the host's loopback, which `route_localnet` opened, and
/// nothing with a source that the host would answer elsewhere.
pub(super) fn from_bridge(network: &NetworkRules) -> Vec<Vec<Expression>> {
    let drop = || Expression::Decide(Verdict::Drop);
    let back = || Expression::Decide(Verdict::Return);
    let family = network.family();
    let mut rules = vec![with(&destination_in(loopback(family)), drop())];
    if family == Family::V6 {
        // Neighbours are found from these, and from no address at all; neither is forwarded.
        let none = IpNet::new(Ipv6Addr::UNSPECIFIED.into(), 128).expect("a literal network");
        rules.push(with(&source_in(link_local()), back()));
        rules.push(with(&source_in(none), back()));
    }
    if network.own_bridge {
        rules.push(vec![
            Expression::Fib {
                result: FibResult::ReversePath,
                to: REGISTER,
            },
            compare(Comparison::Equal, &0_u32.to_ne_bytes()),
            drop(),
        ]);
    }
    rules
}

/// What may be forwarded to containers: answers, published ports, and each other; not what comes
/// from elsewhere under their own addresses.
pub(super) fn to_bridge(network: &NetworkRules) -> Vec<Vec<Expression>> {
    let decide = Expression::Decide;
    let elsewhere = || Expression::input_is_not(&network.bridge);
    let foreign_source = [&elsewhere()[..], &source_in(network.subnet)].concat();
    let published = Expression::ct_has(CtKey::Status, CtKey::DESTINATION_CHANGED);
    let mut rules = Vec::new();
    if network.internal {
        rules.push(with(&elsewhere(), decide(Verdict::Drop)));
    }
    rules.extend([
        with(&established(), decide(Verdict::Accept)),
        with(&foreign_source, decide(Verdict::Drop)),
        with(&published, decide(Verdict::Accept)),
    ]);
    rules.extend(opened(network));
    if network.icc {
        rules.push(with(
            &Expression::input_is(&network.bridge),
            decide(Verdict::Accept),
        ));
    }
    rules.push(vec![decide(Verdict::Drop)]);
    rules
}

/// How others reach containers at their own addresses.
fn opened(network: &NetworkRules) -> Vec<Vec<Expression>> {
    let accept = || Expression::Decide(Verdict::Accept);
    let look_up = published::look_up_open(network.family());
    let elsewhere = Expression::input_is_not(&network.bridge);
    let mut rules: Vec<_> = network
        .trusted
        .iter()
        .map(|device| [&Expression::input_is(device)[..], &look_up].concat())
        .collect();
    match network.mode {
        GatewayMode::Routed => {
            rules.push(look_up.clone());
            let number = match network.family() {
                Family::V4 => ICMP,
                Family::V6 => ICMPV6,
            };
            let echo = [
                Expression::Meta {
                    key: MetaKey::TransportProtocol,
                    to: REGISTER,
                },
                compare(Comparison::Equal, &[number]),
            ];
            rules.push(with(&echo, accept()));
        }
        GatewayMode::NatUnprotected => rules.push(with(&elsewhere, accept())),
        GatewayMode::Nat | GatewayMode::Isolated => {}
    }
    rules
}

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Whose source is hidden towards containers, so that the answer comes back through the host: the
/// host's own loopback, and containers that reach each other or themselves by a published port.
pub(super) fn hide_source_towards(network: &NetworkRules) -> Vec<Vec<Expression>> {
    let mut hairpin = source_in(network.subnet);
    hairpin.extend(Expression::ct_has(
        CtKey::Status,
        CtKey::DESTINATION_CHANGED,
    ));
    vec![
        with(
            &source_in(loopback(network.family())),
            Expression::Masquerade,
        ),
        with(&hairpin, Expression::Masquerade),
    ]
}
