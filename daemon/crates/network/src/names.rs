//! Names of what the engine puts into the kernel: each carries the engine's id, and no other
//! engine's objects can be mistaken for its own.

use gantry_ids::{EndpointId, EngineId, NetworkId};

/// The default bridge: `gantry` and the engine's id, 14 bytes.
pub(crate) fn bridge(engine: EngineId) -> String {
    format!("gantry{engine}")
}

/// The bridge of a user-defined network: `b`, the engine's id, six digits of the network's: 15 bytes.
pub(crate) fn network_bridge(engine: EngineId, network: &NetworkId) -> String {
    format!("b{engine}{}", &network.as_str()[..6])
}

/// Is this the name of a bridge that this engine made for a user-defined network?
pub(crate) fn is_network_bridge_of(engine: EngineId, name: &str) -> bool {
    is_numbered(engine, name, 'b')
}

/// The device that the links of a network without a parent are made on: `d`, the engine's id, six digits
/// of the network's.
pub(crate) fn network_parent(engine: EngineId, network: &NetworkId) -> String {
    format!("d{engine}{}", &network.as_str()[..6])
}

/// Is this the name of a parent device that this engine made?
pub(crate) fn is_network_parent_of(engine: EngineId, name: &str) -> bool {
    is_numbered(engine, name, 'd')
}

/// The host's end of a veth pair: `v`, the engine's id, six digits of the endpoint's: 15 bytes.
pub(crate) fn veth(engine: EngineId, endpoint: &EndpointId) -> String {
    format!("v{engine}{}", &endpoint.as_str()[..6])
}

/// Is this the name of a veth of this engine?
pub(crate) fn is_veth_of(engine: EngineId, name: &str) -> bool {
    is_numbered(engine, name, 'v')
}

fn is_numbered(engine: EngineId, name: &str, kind: char) -> bool {
    let rest = name
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix(engine.as_str()));
    rest.is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The firewall table.
pub(crate) fn table(engine: EngineId) -> String {
    format!("gantry_{engine}")
}

/// A chain of a network: what it does and the network's short id.
pub(crate) fn chain(purpose: &str, network: &NetworkId) -> String {
    format!("{purpose}_{}", network.short())
}

/// The link group in which veths wait to be deleted together. The engine's id as a number, without
/// the top bit (tools print groups as signed) and never 0, which is the group of all other links.
pub(crate) fn dying_group(engine: EngineId) -> u32 {
    let number =
        u32::from_str_radix(engine.as_str(), 16).expect("an engine id is eight hex digits");
    (number & 0x7fff_ffff).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn interface_names_fit_and_carry_the_engine() {
        let (one, two) = (
            EngineId::of_data_root(Path::new("/a")),
            EngineId::of_data_root(Path::new("/b")),
        );
        let endpoint = EndpointId::generate();
        assert!(bridge(one).len() <= 15);
        let name = veth(one, &endpoint);
        assert_eq!(name.len(), 15);
        assert!(is_veth_of(one, &name) && !is_veth_of(two, &name));
        assert!(!is_veth_of(one, &format!("v{one}eth0")) && !is_veth_of(one, "veth123456"));
        assert_ne!(dying_group(one), dying_group(two));
        let bridge = network_bridge(one, &NetworkId::generate());
        assert_eq!(bridge.len(), 15);
        assert!(is_network_bridge_of(one, &bridge) && !is_network_bridge_of(two, &bridge));
        assert!(!is_veth_of(one, &bridge));
    }
}
