//! What `network ls` and `network inspect` show, free of wire types.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use gantry_ids::{ContainerId, EndpointId, NetworkId};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::endpoint::MacAddr;

/// One network, in the terms of Docker's `Network` object.
#[derive(Clone, Debug)]
pub struct NetworkInfo {
    /// The network.
    pub id: NetworkId,
    /// `bridge`, `host`, `none`.
    pub name: String,
    /// `bridge`, `host`, `null`.
    pub driver: String,
    /// When the network was made.
    pub created: SystemTime,
    /// No way out.
    pub internal: bool,
    /// `--attachable`.
    pub attachable: bool,
    /// Has IPv4 addresses.
    pub ipv4: bool,
    /// Has IPv6 addresses.
    pub ipv6: bool,
    /// Subnets (`IPAM.Config`); empty for `host` and `none`.
    pub ipam: Vec<IpamInfo>,
    /// Options of the address driver, if the request had any map of them.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// It only carries settings for others.
    pub config_only: bool,
    /// The network that its settings are from.
    pub config_from: Option<String>,
    /// Driver options (`com.docker.network.bridge.*`).
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Containers that are connected now (`Containers`), by container id.
    pub endpoints: Vec<EndpointInfo>,
}

/// One entry of `IPAM.Config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpamInfo {
    /// The subnet.
    pub subnet: IpNet,
    /// Was it given by a user? Only then may containers ask for an address of it.
    pub chosen: bool,
    /// Part of the subnet that addresses come from, if narrower.
    pub ip_range: Option<IpNet>,
    /// The host's own address in it, or what the administrator named.
    pub gateway: Option<IpAddr>,
    /// Addresses that containers do not get, by name.
    pub reserved: BTreeMap<String, IpAddr>,
}

/// One entry of `Containers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointInfo {
    /// The container.
    pub container: ContainerId,
    /// Container name.
    pub name: String,
    /// Endpoint id.
    pub endpoint: EndpointId,
    /// Ethernet address.
    pub mac: Option<MacAddr>,
    /// Address with the subnet's prefix length.
    pub ipv4: Option<Ipv4Net>,
    /// IPv6 address with the subnet's prefix length.
    pub ipv6: Option<Ipv6Net>,
}

impl NetworkInfo {
    /// One of the three that are always there and that nobody can remove.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        is_builtin(&self.name)
    }
}

/// Is this the name of a network that is always there?
#[must_use]
pub fn is_builtin(name: &str) -> bool {
    matches!(name, "bridge" | "host" | "none")
}
