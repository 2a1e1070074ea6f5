//! What a network's record says about its device, its endpoints and its firewall chains.

use std::net::Ipv4Addr;

use super::Networks;
use super::defaults::BRIDGE;
use crate::config::NetworkConfig;
use gantry_netlink::route::MacvlanMode;

use crate::definition::{BridgeOptions, MacvlanOptions};
use crate::firewall::NetworkRules;
use crate::store::NetworkRecord;

/// Of networks of one's own that name none, in bytes; `--mtu` is the default bridge's alone.
const MTU: u32 = 1500;

/// The options of a record. They were read before the record was written; those of the default bridge
/// are written by the engine itself.
pub(super) fn options(record: &NetworkRecord) -> BridgeOptions {
    BridgeOptions::read(&record.options)
        .or_else(|_| BridgeOptions::read(&std::collections::BTreeMap::new()))
        .expect("no options can be read")
}

/// How the containers of a macvlan network reach each other.
pub(super) fn macvlan_mode(record: &NetworkRecord) -> MacvlanMode {
    MacvlanOptions::read(&record.options).map_or(MacvlanMode::Bridge, |options| options.mode)
}

/// Does an endpoint have a link of its own, and not only a place in the list?
pub(super) fn has_links(record: &NetworkRecord) -> bool {
    record.bridge.is_some() || record.parent.is_some()
}

/// What the firewall has to know of a network; nothing of those without addresses.
pub(super) fn rules(record: &NetworkRecord) -> Option<NetworkRules> {
    let options = options(record);
    Some(NetworkRules {
        id: record.id.clone(),
        // Without an address the host routes nothing to the bridge, so that no source would be right.
        own_bridge: !record.foreign_bridge && has_host_address(record),
        bridge: record.bridge.clone()?,
        subnet: record.subnet?.trunc(),
        icc: options.icc,
        masquerade: options.masquerade && !record.internal,
        internal: record.internal,
    })
}

/// The MTU of a network's links, in bytes.
pub(super) fn mtu(record: &NetworkRecord, config: &NetworkConfig) -> u32 {
    let default = if record.name == BRIDGE {
        config.mtu
    } else {
        MTU
    };
    options(record).mtu.unwrap_or(default)
}

/// Does the host have an address on the bridge?
pub(super) fn has_host_address(record: &NetworkRecord) -> bool {
    let options = options(record);
    !options.inhibit_ipv4 && !options.isolated
}

/// Where containers send what is for elsewhere; internal networks lead nowhere.
pub(super) fn gateway(record: &NetworkRecord) -> Option<Ipv4Addr> {
    let address = record.gateway.or(record.subnet.map(|s| s.addr()));
    address.filter(|_| !record.internal)
}

impl Networks {
    /// The host address of a network's published ports that name none.
    pub(super) fn default_binding(&self, record: &NetworkRecord) -> Ipv4Addr {
        options(record)
            .host_binding
            .unwrap_or(self.config.default_binding)
    }
}
