//! The engine's nftables table: pure construction of its batches (ADR 6, `docs/protocols/packet-path.md`).
//!
//! Base chains look a packet's interface or address up in verdict maps and jump to a network's own
//! chains, so that their number does not grow with networks, nor the number of rules with ports.

use gantry_ids::{EngineId, NetworkId};
use gantry_netlink::nft::{
    BaseChain, Batch, Comparison, CtKey, Data, DataType, Element, Expression, Family, FibResult,
    Hook, MetaKey, PayloadBase, Register, Set, Value, Verdict, priority,
};
use ipnet::Ipv4Net;

use crate::names;

mod published;
pub(crate) mod redirect;

pub(crate) use published::Publication;

/// Interface of a bridge → what its containers may send.
const FROM_BRIDGE: &str = "from_bridge";
/// Interface of a bridge → what may be forwarded to its containers.
const TO_BRIDGE: &str = "to_bridge";
/// Interface of an internal network's bridge → what of it may be forwarded.
const INSIDE: &str = "inside";
/// Interface of a bridge → whose source is hidden on the way to its containers.
const HAIRPIN: &str = "hairpin";
/// Subnet → whose source is hidden on the way out.
const OUTBOUND: &str = "outbound";
/// The chain that looks published ports up.
const PUBLISH: &str = "publish";

const REGISTER: Register = Register(0);

/// What the firewall has to know of a bridge network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkRules {
    pub(crate) id: NetworkId,
    pub(crate) bridge: String,
    pub(crate) subnet: Ipv4Net,
    /// May containers talk to each other?
    pub(crate) icc: bool,
    /// Hide containers behind the host's addresses?
    pub(crate) masquerade: bool,
    /// Is nothing forwarded out of it or into it?
    pub(crate) internal: bool,
    /// Is the bridge the engine's own? Others may carry networks that the host routes to elsewhere.
    pub(crate) own_bridge: bool,
}

/// The whole table, in place of what is there.
pub(crate) fn table(
    engine: EngineId,
    networks: &[NetworkRules],
    published: &[Publication],
) -> Batch {
    let mut batch = Batch::new(Family::Ipv4, &names::table(engine));
    batch.add_table().delete_table().add_table();
    add_maps(&mut batch);
    add_base_chains(&mut batch);
    for network in networks {
        add_network(&mut batch, network);
    }
    published::add(&mut batch, published);
    batch
}

/// Adds one endpoint's published ports; empty if there are none.
pub(crate) fn publish(engine: EngineId, published: &[Publication]) -> Batch {
    let mut batch = Batch::new(Family::Ipv4, &names::table(engine));
    published::add(&mut batch, published);
    batch
}

/// Takes one endpoint's published ports away.
pub(crate) fn unpublish(engine: EngineId, published: &[Publication]) -> Batch {
    let mut batch = Batch::new(Family::Ipv4, &names::table(engine));
    published::delete(&mut batch, published);
    batch
}

fn add_maps(batch: &mut Batch) {
    for name in [FROM_BRIDGE, TO_BRIDGE, INSIDE, HAIRPIN] {
        batch.add_set(&Set {
            name,
            key: &[DataType::Interface],
            data: Data::Verdict,
            interval: false,
        });
    }
    batch.add_set(&Set {
        name: OUTBOUND,
        key: &[DataType::Address],
        data: Data::Verdict,
        interval: true,
    });
    published::add_maps(batch);
}

fn add_base_chains(batch: &mut Batch) {
    let filter = |hook, priority| BaseChain::Filter { hook, priority };
    let nat = |hook, priority| BaseChain::Nat { hook, priority };
    batch
        .add_chain(PUBLISH)
        .add_base_chain("prerouting", filter(Hook::Prerouting, priority::MANGLE))
        .add_base_chain("prerouting_nat", nat(Hook::Prerouting, priority::DSTNAT))
        .add_base_chain("output_nat", nat(Hook::Output, priority::DSTNAT))
        .add_base_chain("forward", filter(Hook::Forward, priority::FILTER))
        .add_base_chain("postrouting_nat", nat(Hook::Postrouting, priority::SRCNAT));

    batch.add_rule(
        "prerouting",
        &by_interface(MetaKey::InputInterface, FROM_BRIDGE),
    );
    batch.add_rule("forward", &by_interface(MetaKey::InputInterface, INSIDE));
    batch.add_rule(
        "forward",
        &by_interface(MetaKey::OutputInterface, TO_BRIDGE),
    );
    batch.add_rule(
        "postrouting_nat",
        &by_interface(MetaKey::OutputInterface, HAIRPIN),
    );
    batch.add_rule("postrouting_nat", &[source(), verdict_of(OUTBOUND)]);

    // A packet for 127.0.0.0/8 can only come from outside here (the host's own were decided in
    // output_nat): without this, who sends one would reach a port published on 127.0.0.1.
    let loopback = destination_in(LOOPBACK);
    batch.add_rule(
        "prerouting_nat",
        &with(&loopback, Expression::Decide(Verdict::Return)),
    );
    for chain in ["prerouting_nat", "output_nat"] {
        batch.add_rule(chain, &with(&destination_is_local(), jump(PUBLISH)));
    }
    for rule in published::rules() {
        batch.add_rule(PUBLISH, &rule);
    }
}

/// A network's chains, and its bridge and subnet in the maps that lead to them.
fn add_network(batch: &mut Batch, network: &NetworkRules) {
    let chain = |purpose: &str| names::chain(purpose, &network.id);
    let (from, to, hairpin, out) = (chain("from"), chain("to"), chain("hairpin"), chain("out"));
    for name in [&from, &to, &hairpin, &out] {
        batch.add_chain(name);
    }
    for rule in from_bridge(network) {
        batch.add_rule(&from, &rule);
    }
    for rule in to_bridge(network) {
        batch.add_rule(&to, &rule);
    }
    for rule in hide_source_towards(network) {
        batch.add_rule(&hairpin, &rule);
    }
    if network.masquerade {
        batch.add_rule(
            &out,
            &with(
                &Expression::output_is_not(&network.bridge),
                Expression::Masquerade,
            ),
        );
    }
    let bridge = [Value::Interface(network.bridge.clone())];
    if network.internal {
        let inside = chain("inside");
        let elsewhere = Expression::output_is_not(&network.bridge);
        batch.add_chain(&inside).add_rule(
            &inside,
            &with(&elsewhere, Expression::Decide(Verdict::Drop)),
        );
        batch.add_elements(INSIDE, &[Element::verdict(&bridge, Verdict::Jump(inside))]);
    }
    for (map, chain) in [(FROM_BRIDGE, from), (TO_BRIDGE, to), (HAIRPIN, hairpin)] {
        batch.add_elements(map, &[Element::verdict(&bridge, Verdict::Jump(chain))]);
    }
    let subnet = network.subnet;
    batch.add_elements(
        OUTBOUND,
        &Element::network_verdict(subnet.network(), subnet.prefix_len(), Verdict::Jump(out)),
    );
}

const LOOPBACK: (u8, [u8; 4]) = (8, [127, 0, 0, 0]);

/// What containers may send: nothing to the host's loopback, which `route_localnet` opened, and
/// nothing with a source that the host would answer elsewhere.
fn from_bridge(network: &NetworkRules) -> Vec<Vec<Expression>> {
    let drop = || Expression::Decide(Verdict::Drop);
    let mut rules = vec![
        with(&established(), Expression::Decide(Verdict::Return)),
        with(&destination_in(LOOPBACK), drop()),
    ];
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
fn to_bridge(network: &NetworkRules) -> Vec<Vec<Expression>> {
    let decide = Expression::Decide;
    let foreign_source = [
        &Expression::input_is_not(&network.bridge)[..],
        &source_in((
            network.subnet.prefix_len(),
            network.subnet.network().octets(),
        )),
    ]
    .concat();
    let published = Expression::ct_has(CtKey::Status, CtKey::DESTINATION_CHANGED);
    let mut rules = Vec::new();
    if network.internal {
        rules.push(with(
            &Expression::input_is_not(&network.bridge),
            decide(Verdict::Drop),
        ));
    }
    rules.extend([
        with(&established(), decide(Verdict::Accept)),
        with(&foreign_source, decide(Verdict::Drop)),
        with(&published, decide(Verdict::Accept)),
    ]);
    if network.icc {
        rules.push(with(
            &Expression::input_is(&network.bridge),
            decide(Verdict::Accept),
        ));
    }
    rules.push(vec![decide(Verdict::Drop)]);
    rules
}

/// Whose source is hidden towards containers, so that the answer comes back through the host: the
/// host's own loopback, and containers that reach each other or themselves by a published port.
fn hide_source_towards(network: &NetworkRules) -> Vec<Vec<Expression>> {
    let subnet = (
        network.subnet.prefix_len(),
        network.subnet.network().octets(),
    );
    let mut hairpin = source_in(subnet);
    hairpin.extend(Expression::ct_has(
        CtKey::Status,
        CtKey::DESTINATION_CHANGED,
    ));
    vec![
        with(&source_in(LOOPBACK), Expression::Masquerade),
        with(&hairpin, Expression::Masquerade),
    ]
}

fn with(conditions: &[Expression], action: Expression) -> Vec<Expression> {
    let mut rule = conditions.to_vec();
    rule.push(action);
    rule
}

fn jump(chain: &str) -> Expression {
    Expression::Decide(Verdict::Jump(chain.to_owned()))
}

fn verdict_of(map: &str) -> Expression {
    Expression::LookupVerdict {
        map: map.to_owned(),
        key: REGISTER,
    }
}

fn by_interface(key: MetaKey, map: &str) -> [Expression; 2] {
    [Expression::Meta { key, to: REGISTER }, verdict_of(map)]
}

fn compare(how: Comparison, value: &[u8]) -> Expression {
    Expression::Compare {
        register: REGISTER,
        how,
        value: value.to_vec(),
    }
}

fn established() -> [Expression; 3] {
    Expression::ct_has(CtKey::State, CtKey::ESTABLISHED | CtKey::RELATED)
}

fn destination_is_local() -> [Expression; 2] {
    [
        Expression::Fib {
            result: FibResult::DestinationType,
            to: REGISTER,
        },
        compare(Comparison::Equal, &FibResult::LOCAL.to_ne_bytes()),
    ]
}

/// Offset of the addresses in an IPv4 header.
const SOURCE_OFFSET: u32 = 12;
const DESTINATION_OFFSET: u32 = 16;

fn source() -> Expression {
    address_at(SOURCE_OFFSET)
}

fn address_at(offset: u32) -> Expression {
    Expression::Payload {
        base: PayloadBase::Network,
        offset,
        length: 4,
        to: REGISTER,
    }
}

fn source_in(network: (u8, [u8; 4])) -> Vec<Expression> {
    address_in(SOURCE_OFFSET, network)
}

fn destination_in(network: (u8, [u8; 4])) -> Vec<Expression> {
    address_in(DESTINATION_OFFSET, network)
}

fn address_in(offset: u32, (prefix, network): (u8, [u8; 4])) -> Vec<Expression> {
    let mask = u32::MAX
        .checked_shl(32_u32.saturating_sub(prefix.into()))
        .unwrap_or(0)
        .to_be_bytes();
    vec![
        address_at(offset),
        Expression::MaskBytes {
            register: REGISTER,
            mask,
        },
        compare(Comparison::Equal, &network),
    ]
}
