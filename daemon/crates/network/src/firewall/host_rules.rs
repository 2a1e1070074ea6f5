//! Published ports as the host's own rules allow (ADR 35).
//!
//! A packet whose destination is rewritten before the route is looked up never meets the host's rules for
//! what comes in. So the first packet from somebody is left as it is: it goes the way of all packets for the
//! host, through whatever rules others have there. What comes out behind them was let in: where it came from
//! and what it asked for is noted for a while, and the packet is dropped. The client says it again, as it
//! does with every packet that is lost, and from then on is led to the container.

use gantry_netlink::nft::{
    BaseChain, Batch, Data, DataType, Element, Expression, Hook, MetaKey, Register, Set, Value,
    Verdict,
};

use super::published::{self, load_port, width};
use super::terms::{
    address_at_register, by_interface, destination_is_local, established, jump, link_local,
    source_in, with,
};
use super::{NetworkRules, PUBLISH, address_type};
use crate::store::Family;

/// Interface, source, destination, protocol and port of what the host's rules let in.
const ADMITTED: &str = "admitted";
/// Interface of a bridge → the chain of published ports: containers are not asked.
const CONTAINERS: &str = "containers";
/// The chain behind the host's rules.
const BEHIND: &str = "behind_host_rules";
/// The chain that notes what was let in.
const ADMIT: &str = "admit";

/// How long the host's rules are not asked again, and so how long a change of theirs may take.
const ADMITTED_MS: u64 = 60_000;

/// Behind all that others filter at this hook (`security` is 50), before connections are confirmed.
const LAST: i32 = 200;

/// Registers of an interface's name.
const NAME: u8 = 4;

pub(super) fn add(batch: &mut Batch, family: Family) {
    let address = address_type(family);
    let key = [
        DataType::Interface,
        address,
        address,
        DataType::Protocol,
        DataType::Port,
    ];
    batch
        .add_set(&Set {
            name: CONTAINERS,
            key: &[DataType::Interface],
            data: Data::Verdict,
            interval: false,
        })
        .add_set(&Set {
            name: ADMITTED,
            key: &key,
            data: Data::Noted {
                timeout_ms: ADMITTED_MS,
            },
            interval: false,
        });
    let local = destination_is_local();
    let of_containers = by_interface(MetaKey::InputInterface, CONTAINERS);
    batch.add_rule("prerouting_nat", &[&local[..], &of_containers].concat());
    let mut admitted = local.to_vec();
    admitted.extend(load_key(family));
    admitted.push(Expression::IsIn {
        set: ADMITTED.to_owned(),
        key: Register(0),
    });
    batch.add_rule("prerouting_nat", &with(&admitted, jump(PUBLISH)));

    let last = BaseChain::Filter {
        hook: Hook::Input,
        priority: LAST,
    };
    batch.add_chain(ADMIT).add_base_chain(BEHIND, last);
    let accept = || Expression::Decide(Verdict::Accept);
    batch.add_rule(BEHIND, &with(&established(), accept()));
    // The host's own processes, for which the relay stands in.
    batch.add_rule(BEHIND, &with(&Expression::input_is("lo"), accept()));
    if family == Family::V6 {
        batch.add_rule(BEHIND, &with(&source_in(link_local()), accept()));
    }
    for published in published::is_published(family) {
        batch.add_rule(BEHIND, &with(&published, jump(ADMIT)));
    }
    let mut note = load_key(family);
    note.push(Expression::Note {
        set: ADMITTED.to_owned(),
        key: Register(0),
    });
    batch.add_rule(ADMIT, &note);
    // Also where nothing could be noted: the socket that holds the port is nobody's to talk to.
    batch.add_rule(ADMIT, &[Expression::Decide(Verdict::Drop)]);
}

/// A bridge's containers reach published ports as ever.
pub(super) fn add_network(batch: &mut Batch, network: &NetworkRules) {
    let bridge = [Value::Interface(network.bridge.clone())];
    let publish = Verdict::Jump(PUBLISH.to_owned());
    batch.add_elements(CONTAINERS, &[Element::verdict(&bridge, publish)]);
}

fn load_key(family: Family) -> Vec<Expression> {
    let (source, destination) = match family {
        Family::V4 => (12, 16),
        Family::V6 => (8, 24),
    };
    let wide = width(family);
    let mut key = vec![
        Expression::Meta {
            key: MetaKey::InputInterface,
            to: Register(0),
        },
        address_at_register(family, source, Register(NAME)),
        address_at_register(family, destination, Register(NAME + wide)),
    ];
    key.extend(load_port(NAME + 2 * wide));
    key
}
