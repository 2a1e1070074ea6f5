//! Records of formats 1 and 2, which had at most one subnet, of IPv4. Read for good, never written.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use gantry_ids::NetworkId;
use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;

use super::{NetworkRecord, SubnetRecord, VERSION};

#[derive(Deserialize)]
struct Format2 {
    id: NetworkId,
    name: String,
    driver: String,
    created_ns: u64,
    bridge: Option<String>,
    subnet: Option<Ipv4Net>,
    user_subnet: bool,
    ip_range: Option<Ipv4Net>,
    gateway: Option<Ipv4Addr>,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    // What follows is not in format 1.
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    attachable: bool,
    #[serde(default)]
    reserved: BTreeMap<String, Ipv4Addr>,
    #[serde(default)]
    ipam_options: Option<BTreeMap<String, String>>,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    foreign_bridge: bool,
}

/// The record as it is written now.
pub(super) fn decode(value: &[u8]) -> Result<NetworkRecord, serde_json::Error> {
    let old: Format2 = serde_json::from_slice(value)?;
    let reserved = old.reserved.into_iter();
    let reserved = reserved.map(|(name, address)| (name, IpAddr::V4(address)));
    let subnet = old.subnet.map(|net| SubnetRecord {
        net: IpNet::V4(net),
        chosen: old.user_subnet,
        ip_range: old.ip_range.map(IpNet::V4),
        gateway: old.gateway.map(IpAddr::V4),
        reserved: reserved.collect(),
    });
    let foreign = old.foreign_bridge || old.parent.is_some();
    Ok(NetworkRecord {
        v: VERSION,
        id: old.id,
        name: old.name,
        driver: old.driver,
        created_ns: old.created_ns,
        bridge: old.bridge,
        ipv4: true,
        ipv6: false,
        subnets: subnet.into_iter().collect(),
        options: old.options,
        labels: old.labels,
        internal: old.internal,
        attachable: old.attachable,
        ipam_options: old.ipam_options,
        parent: old.parent,
        foreign_bridge: foreign,
        config_only: false,
        config_from: None,
    })
}
