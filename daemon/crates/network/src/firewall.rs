//! The engine's nftables table: pure construction of its batches (ADR 6, `docs/protocols/packet-path.md`).
//!
//! Base chains look a packet's interface or address up in verdict maps and jump to a network's own
//! chains, so that their number does not grow with networks, nor the number of rules with ports.

use std::net::IpAddr;

use gantry_ids::{EngineId, NetworkId};
use gantry_netlink::nft::{
    self, BaseChain, Batch, Data, DataType, Element, Expression, Hook, MetaKey, Register, Set,
    Value, Verdict, priority,
};
use ipnet::IpNet;

use crate::bridge;
use crate::definition::GatewayMode;
use crate::names;
use crate::store::Family;

mod chains;
mod host_rules;
mod published;
pub(crate) mod redirect;
mod terms;

use chains::{from_bridge, hide, hide_source_towards, to_bridge};
pub(crate) use published::{MAPS, Publication, Target, protocol_number};
use terms::{
    by_interface, destination_in, destination_is_local, established, jump, link_local, loopback,
    source, source_in, verdict_of, with,
};

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

/// To whom ports are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// To whoever reaches the host.
    ToEverybody,
    /// To whom the host's own rules let in.
    AsTheHostAllows,
}

/// What the firewall has to know of one family of a bridge network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkRules {
    pub(crate) id: NetworkId,
    pub(crate) bridge: String,
    pub(crate) subnet: IpNet,
    /// May containers talk to each other?
    pub(crate) icc: bool,
    /// Hide containers behind the host's addresses?
    pub(crate) masquerade: bool,
    /// Is nothing forwarded out of it or into it?
    pub(crate) internal: bool,
    /// Is the bridge the engine's own? Others may carry networks that the host routes to elsewhere.
    pub(crate) own_bridge: bool,
    /// How others reach it.
    pub(crate) mode: GatewayMode,
    /// The address to hide containers behind, in place of that of the device they leave by.
    pub(crate) host_address: Option<IpAddr>,
    /// What comes by these devices reaches published ports at the container's own address.
    pub(crate) trusted: Vec<String>,
}

impl NetworkRules {
    fn family(&self) -> Family {
        Family::of(self.subnet.addr())
    }
}

/// The number that the kernel knows a family by.
fn nft_family(family: Family) -> nft::Family {
    match family {
        Family::V4 => nft::Family::Ipv4,
        Family::V6 => nft::Family::Ipv6,
    }
}

/// The tables of both families, in place of what is there; that of IPv6 only while a network has it.
pub(crate) fn table(
    engine: EngineId,
    manner: Manner,
    networks: &[NetworkRules],
    published: &[Publication],
) -> Batch {
    let table_of = |family| table_of((engine, family), manner, networks, published);
    let mut batch = table_of(Family::V4);
    if networks.iter().any(|n| n.family() == Family::V6) {
        batch.join(table_of(Family::V6));
    } else if bridge::kernel_has_ipv6() {
        let mut none = Batch::new(nft::Family::Ipv6, &names::table(engine));
        none.add_table().delete_table();
        batch.join(none);
    }
    batch
}

fn table_of(
    (engine, family): (EngineId, Family),
    manner: Manner,
    networks: &[NetworkRules],
    published: &[Publication],
) -> Batch {
    let mut batch = Batch::new(nft_family(family), &names::table(engine));
    batch.add_table().delete_table().add_table();
    add_maps(&mut batch, family);
    let networks = || networks.iter().filter(move |n| n.family() == family);
    add_base_chains(&mut batch, family, manner);
    add_filters(&mut batch, networks().any(|network| network.internal));
    for network in networks() {
        add_network(&mut batch, network);
        if manner == Manner::AsTheHostAllows {
            host_rules::add_network(&mut batch, network);
        }
    }
    published::add(&mut batch, family, published);
    batch
}

/// Adds one endpoint's published ports; empty if there are none.
pub(crate) fn publish(engine: EngineId, published: &[Publication]) -> Batch {
    each_family(engine, |batch, family| {
        published::add(batch, family, published);
    })
}

/// Takes one endpoint's published ports away.
pub(crate) fn unpublish(engine: EngineId, published: &[Publication]) -> Batch {
    each_family(engine, |batch, family| {
        published::delete(batch, family, published);
    })
}

/// Puts one endpoint's published ports in place of others, in one transaction; what both have is not touched.
pub(crate) fn republish(engine: EngineId, from: &[Publication], to: &[Publication]) -> Batch {
    each_family(engine, |batch, family| {
        published::replace(batch, family, from, to);
    })
}

fn each_family(engine: EngineId, change: impl Fn(&mut Batch, Family)) -> Batch {
    let [mut both, six] = Family::BOTH.map(|family| {
        let mut batch = Batch::new(nft_family(family), &names::table(engine));
        change(&mut batch, family);
        batch
    });
    both.join(six);
    both
}

fn add_maps(batch: &mut Batch, family: Family) {
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
        key: &[address_type(family)],
        data: Data::Verdict,
        interval: true,
    });
    published::add_maps(batch, family);
}

fn address_type(family: Family) -> DataType {
    match family {
        Family::V4 => DataType::Address,
        Family::V6 => DataType::Address6,
    }
}

fn add_base_chains(batch: &mut Batch, family: Family, manner: Manner) {
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
        "postrouting_nat",
        &by_interface(MetaKey::OutputInterface, HAIRPIN),
    );
    batch.add_rule("postrouting_nat", &[source(family), verdict_of(OUTBOUND)]);

    // A packet for 127.0.0.0/8 can only come from outside here (the host's own were decided in
    // output_nat): without this, who sends one would reach a port published on 127.0.0.1.
    let returns = |conditions: &[Expression]| with(conditions, Expression::Decide(Verdict::Return));
    batch.add_rule(
        "prerouting_nat",
        &returns(&destination_in(loopback(family))),
    );
    if family == Family::V6 {
        // Nothing leads ::1 out of the host, nor an answer from a container to a link's own address:
        // what holds the port relays these.
        batch.add_rule("prerouting_nat", &returns(&source_in(link_local())));
        batch.add_rule("output_nat", &returns(&destination_in(loopback(family))));
        batch.add_rule("output_nat", &returns(&source_in(link_local())));
    }
    let publish = with(&destination_is_local(), jump(PUBLISH));
    batch.add_rule("output_nat", &publish);
    match manner {
        Manner::ToEverybody => {
            batch.add_rule("prerouting_nat", &publish);
        }
        Manner::AsTheHostAllows => host_rules::add(batch, family),
    }
    for rule in published::rules(family) {
        batch.add_rule(PUBLISH, &rule);
    }
}

/// Every packet meets these two chains, so what belongs to a connection that was let through is done with
/// first: what is looked up by an interface's name costs ten times as much.
fn add_filters(batch: &mut Batch, any_internal: bool) {
    let go_on = with(&established(), Expression::Decide(Verdict::Accept));
    batch.add_rule("prerouting", &go_on);
    batch.add_rule(
        "prerouting",
        &by_interface(MetaKey::InputInterface, FROM_BRIDGE),
    );
    // What an internal network's container once said to the host is not led elsewhere afterwards.
    if any_internal {
        batch.add_rule("forward", &by_interface(MetaKey::InputInterface, INSIDE));
    } else {
        batch.add_rule("forward", &go_on);
    }
    batch.add_rule(
        "forward",
        &by_interface(MetaKey::OutputInterface, TO_BRIDGE),
    );
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
        let elsewhere = Expression::output_is_not(&network.bridge);
        batch.add_rule(&out, &[&elsewhere[..], &hide(network)].concat());
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
