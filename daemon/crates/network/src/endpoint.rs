//! A container's place in a network: what is asked for and what was given.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use gantry_ids::{ContainerId, EndpointId, NetworkId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::port::{PortRequest, PublishedPort};
use crate::store::Family;

/// A network namespace that the engine made for one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Whose it is; as a container has one sandbox, this is also `NetworkSettings.SandboxID`.
    pub container: ContainerId,
    /// The bind mount that keeps the namespace (`NetworkSettings.SandboxKey`, and the `path` of the
    /// network namespace in `config.json`).
    pub path: PathBuf,
}

/// An Ethernet address; written `02:42:ac:11:00:02`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MacAddr(pub [u8; 6]);

/// The text was not six hexadecimal bytes with colons, or a multicast address.
#[derive(Debug, thiserror::Error)]
#[error("invalid MAC address: {0}")]
pub struct InvalidMac(String);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> Self {
        mac.to_string()
    }
}

impl TryFrom<String> for MacAddr {
    type Error = InvalidMac;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for MacAddr {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMac(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            // `from_str_radix` would take a sign.
            let digits = |p: &&str| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit());
            let part = parts.next().filter(digits).ok_or_else(invalid)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| invalid())?;
        }
        if parts.next().is_some() || bytes[0] & 1 == 1 {
            return Err(invalid());
        }
        Ok(Self(bytes))
    }
}

/// What [`crate::Networks::connect`] is asked for.
#[derive(Clone, Debug)]
pub struct EndpointRequest {
    /// Its sandbox must exist unless the network is `host`.
    pub container: ContainerId,
    /// The container's name without slash, for `network inspect` and for error texts.
    pub container_name: String,
    /// Network name, full id or unambiguous id prefix.
    pub network: String,
    /// `--ip`: only where the network's subnet was given by a user, as in dockerd.
    pub ip: Option<Ipv4Addr>,
    /// `--ip6`, as `ip`.
    pub ip6: Option<Ipv6Addr>,
    /// `--mac-address`.
    pub mac: Option<MacAddr>,
    /// `-p`; held by the endpoint that leads out.
    pub ports: Vec<PortRequest>,
    /// What the container is called in this network: name, aliases, short id, host name.
    pub names: Vec<String>,
    /// `--link`: what the container itself calls others of this network: alias, name.
    pub links: Vec<(String, String)>,
    /// `--link-local-ip`.
    pub link_local: Vec<IpAddr>,
    /// `gw-priority`: the highest leads out; among equals the first name.
    pub gateway_priority: i64,
}

impl EndpointRequest {
    /// A place in `network` with any address and no published ports.
    #[must_use]
    pub fn new(container: ContainerId, container_name: &str, network: &str) -> Self {
        Self {
            container,
            container_name: container_name.to_owned(),
            network: network.to_owned(),
            ip: None,
            ip6: None,
            mac: None,
            ports: Vec::new(),
            names: Vec::new(),
            links: Vec::new(),
            link_local: Vec::new(),
            gateway_priority: 0,
        }
    }
}

/// What a container got; also the run-time record of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Drawn anew at each connect.
    pub id: EndpointId,
    /// The network.
    pub network: NetworkId,
    /// The network's name.
    pub network_name: String,
    /// The container.
    pub container: ContainerId,
    /// The container's name at connect or after [`crate::Networks::rename`].
    pub container_name: String,
    /// Address, on networks that have addresses.
    pub ip: Option<Ipv4Addr>,
    /// Prefix length of the address; 0 without one.
    pub prefix: u8,
    /// Default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// IPv6 address, on networks that have such.
    #[serde(default)]
    pub ip6: Option<Ipv6Addr>,
    /// Prefix length of the IPv6 address; 0 without one.
    #[serde(default)]
    pub prefix6: u8,
    /// Default gateway of IPv6.
    #[serde(default)]
    pub gateway6: Option<Ipv6Addr>,
    /// What is for elsewhere is sent out by the link, to nobody in particular (ipvlan in mode l3).
    #[serde(default)]
    pub on_link: bool,
    /// Ethernet address of the container's interface.
    pub mac: Option<MacAddr>,
    /// Name of the container's interface inside (`eth0`).
    pub interface: Option<String>,
    /// Published ports with their host ports settled, in the order of the request.
    pub ports: Vec<PublishedPort>,
    /// What the container is called in this network.
    #[serde(default)]
    pub names: Vec<String>,
    /// What the container calls others: alias, name.
    #[serde(default)]
    pub links: Vec<(String, String)>,
    /// Link-local addresses beside the first.
    #[serde(default)]
    pub link_local: Vec<IpAddr>,
    /// Among the endpoints of a container the highest leads out.
    #[serde(default)]
    pub gateway_priority: i64,
}

impl Endpoint {
    /// Its addresses with the prefix lengths of their networks, IPv4 first.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpNet> {
        let four = self
            .ip
            .and_then(|ip| IpNet::new(ip.into(), self.prefix).ok());
        let six = self
            .ip6
            .and_then(|ip| IpNet::new(ip.into(), self.prefix6).ok());
        four.into_iter().chain(six).collect()
    }

    /// Its address of a family.
    pub(crate) fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.ip.map(IpAddr::V4),
            Family::V6 => self.ip6.map(IpAddr::V6),
        }
    }

    /// Where it sends what is for elsewhere.
    pub(crate) fn gateway(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.gateway.map(IpAddr::V4),
            Family::V6 => self.gateway6.map(IpAddr::V6),
        }
    }

    /// Can packets of a family leave by it?
    pub(crate) fn leads_out(&self, family: Family) -> bool {
        let by_link = self.on_link && self.address(family).is_some();
        by_link || self.gateway(family).is_some()
    }
}

/// The endpoint that leads out: that with a gateway, the highest priority, and the first name.
pub(crate) fn leading_out<'a>(
    endpoints: impl Iterator<Item = &'a Endpoint>,
) -> Option<&'a Endpoint> {
    foremost(endpoints.filter(|e| Family::BOTH.iter().any(|family| e.leads_out(*family))))
}

/// The endpoint by which packets of one family leave.
pub(crate) fn leading_out_by<'a>(
    family: Family,
    endpoints: impl Iterator<Item = &'a Endpoint>,
) -> Option<&'a Endpoint> {
    foremost(endpoints.filter(|e| e.leads_out(family)))
}

/// By priority, then as dockerd has it: who leads out by both families before who does by one, then by name.
fn foremost<'a>(endpoints: impl Iterator<Item = &'a Endpoint>) -> Option<&'a Endpoint> {
    endpoints.max_by_key(|e| {
        let by_both = Family::BOTH.iter().all(|family| e.leads_out(*family));
        let by_name = std::cmp::Reverse(&e.network_name);
        (e.gateway_priority, by_both, by_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ethernet_addresses_are_read_and_written() {
        let mac: MacAddr = "02:42:AC:11:00:0f".parse().unwrap();
        assert_eq!(mac.to_string(), "02:42:ac:11:00:0f");
        assert_eq!("02-42-ac-11-00-0f".parse::<MacAddr>().unwrap(), mac);
        for bad in [
            "",
            "02:42:ac:11:00",
            "02:42:ac:11:00:0f:01",
            "2:42:ac:11:00:0f",
            "0g:42:ac:11:00:0f",
            "+2:42:ac:11:00:0f",
            "01:00:5e:00:00:01",
        ] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }
}
