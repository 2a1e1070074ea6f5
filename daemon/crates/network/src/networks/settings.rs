//! What a network's record says about its device, its endpoints and its firewall chains.

use std::net::IpAddr;

use gantry_netlink::route::MacvlanMode;
use ipnet::IpNet;

use super::Networks;
use super::defaults::BRIDGE;
use crate::config::NetworkConfig;
use crate::definition::{BridgeOptions, GatewayMode, IpvlanOptions, MacvlanOptions};
use crate::firewall::NetworkRules;
use crate::store::{Family, NetworkRecord, SubnetRecord};

/// Of networks of one's own that name none, in bytes; `--mtu` is the default bridge's alone.
pub(super) const MTU: u32 = 1500;

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

/// The options of an ipvlan network.
pub(super) fn ipvlan(record: &NetworkRecord) -> Option<IpvlanOptions> {
    let options = IpvlanOptions::read(&record.options).ok();
    options.filter(|_| record.driver == IPVLAN)
}

/// The driver of ipvlan networks.
pub(super) const IPVLAN: &str = "ipvlan";
/// The driver of macvlan networks.
pub(super) const MACVLAN: &str = "macvlan";

/// Does an endpoint have a link of its own, and not only a place in the list?
pub(super) fn has_links(record: &NetworkRecord) -> bool {
    record.bridge.is_some() || record.parent.is_some()
}

/// What the firewall has to know of a network, by family; nothing of those without a bridge.
pub(super) fn rules(record: &NetworkRecord) -> Vec<NetworkRules> {
    let Some(bridge) = &record.bridge else {
        return Vec::new();
    };
    let options = options(record);
    let of = |family: Family| {
        let subnet = record.subnet(family)?;
        let own = options.of(family);
        let hides = options.masquerade && !record.internal && own.mode != GatewayMode::Routed;
        Some(NetworkRules {
            id: record.id.clone(),
            // Without an address the host routes nothing to the bridge, so that no source would be right.
            own_bridge: !record.foreign_bridge && has_host_address(record, family),
            bridge: bridge.clone(),
            subnet: subnet.net.trunc(),
            icc: options.icc,
            masquerade: hides,
            internal: record.internal,
            mode: own.mode,
            host_address: own.host_address,
            trusted: options.trusted.clone(),
        })
    };
    Family::BOTH.into_iter().filter_map(of).collect()
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

/// Does the host have an address of this family on the bridge?
pub(super) fn has_host_address(record: &NetworkRecord, family: Family) -> bool {
    let options = options(record);
    let inhibited = options.inhibit_ipv4 && family == Family::V4;
    !inhibited && options.of(family).mode != GatewayMode::Isolated
}

/// The host's addresses on the bridge.
pub(super) fn host_addresses(record: &NetworkRecord) -> Vec<IpNet> {
    record
        .subnets_in_use()
        .map(|subnet| subnet.net)
        .filter(|net| has_host_address(record, Family::of(net.addr())))
        .collect()
}

/// Where containers with an address of a subnet send what is for elsewhere; internal networks lead
/// nowhere, nor do those whose device does not.
pub(super) fn gateway(record: &NetworkRecord, subnet: &SubnetRecord) -> Option<IpAddr> {
    let leads_out = !record.internal && !leads_out_by_link(record) && !has_own_parent(record);
    let address = subnet.gateway.unwrap_or(subnet.net.addr());
    leads_out.then_some(address)
}

/// Does a container send what is for elsewhere out by its link, to nobody in particular?
pub(super) fn leads_out_by_link(record: &NetworkRecord) -> bool {
    use gantry_netlink::route::IpvlanMode;
    let layer3 = ipvlan(record).is_some_and(|options| options.mode != IpvlanMode::L2);
    layer3 && !record.internal
}

/// Are containers' links on a device of the engine's own that leads nowhere?
pub(super) fn has_own_parent(record: &NetworkRecord) -> bool {
    let asked = record
        .options
        .get("parent")
        .is_some_and(|parent| !parent.is_empty());
    record.parent.is_some() && !asked
}

impl Networks {
    /// The host address of a network's published ports that name none.
    pub(super) fn default_binding(&self, record: &NetworkRecord) -> IpAddr {
        options(record)
            .host_binding
            .unwrap_or(self.config.default_binding)
    }
}
