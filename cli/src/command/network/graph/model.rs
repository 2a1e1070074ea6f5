//! What is drawn: networks with their members, and published ports with who can reach them.

use std::net::IpAddr;

use anyhow::{Result, bail};
use serde_json::Value;

/// All of it; containers in the order of their names, networks likewise.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) networks: Vec<Network>,
    pub(super) containers: Vec<Container>,
}

/// A network.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) name: String,
    id: String,
    pub(super) driver: String,
    pub(super) subnets: Vec<String>,
    /// Nothing gets out of it or into it.
    pub(super) internal: bool,
    /// Its members do not reach each other.
    pub(super) apart: bool,
    /// Its IPv4 or IPv6 addresses can be reached from elsewhere.
    pub(super) routed: bool,
}

/// A container that runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: String,
    /// Networks by their place in the list, and its addresses there.
    pub(super) homes: Vec<(usize, Vec<String>)>,
    pub(super) ports: Vec<Port>,
}

/// A published port.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    /// The container's, as `80/tcp`.
    pub(super) inside: String,
    /// The host's, as `0.0.0.0:8080`.
    pub(super) outside: String,
    /// `local`, `lan` or `world`.
    pub(super) reach: String,
}

impl Model {
    /// From the answers of `/networks` and `/containers/json`.
    pub(super) fn of(networks: &[Value], containers: &[Value]) -> Self {
        let mut networks: Vec<_> = networks.iter().map(Network::of).collect();
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        let mut containers: Vec<_> = containers
            .iter()
            .map(|container| Container::of(container, &networks))
            .collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            networks,
            containers,
        }
    }

    /// The members of a network and their addresses there.
    pub(super) fn members(&self, network: usize) -> impl Iterator<Item = (&Container, &[String])> {
        self.containers.iter().filter_map(move |container| {
            let home = container.homes.iter().find(|(home, _)| *home == network)?;
            Some((container, home.1.as_slice()))
        })
    }

    /// Leaves out networks without members.
    pub(super) fn drop_empty(&mut self) {
        let used: Vec<bool> = (0..self.networks.len())
            .map(|network| self.members(network).next().is_some())
            .collect();
        self.retain(&used);
    }

    /// Leaves these networks alone, by name or the beginning of the id, and who is in them.
    pub(super) fn keep(&mut self, wanted: &[String]) -> Result<()> {
        let mut kept = vec![false; self.networks.len()];
        for name in wanted {
            let is_meant = |n: &Network| n.name == *name || n.id.starts_with(name.as_str());
            let Some(place) = self.networks.iter().position(is_meant) else {
                bail!("network {name} not found");
            };
            kept[place] = true;
        }
        self.retain(&kept);
        self.containers.retain(|c| !c.homes.is_empty());
        Ok(())
    }

    fn retain(&mut self, kept: &[bool]) {
        let mut place = 0;
        let new_places: Vec<_> = kept
            .iter()
            .map(|is_kept| {
                is_kept.then(|| {
                    place += 1;
                    place - 1
                })
            })
            .collect();
        let mut all = std::mem::take(&mut self.networks).into_iter();
        self.networks = kept
            .iter()
            .filter_map(|is_kept| all.next().filter(|_| *is_kept))
            .collect();
        for container in &mut self.containers {
            container.homes.retain_mut(|(home, _)| {
                let new = new_places[*home];
                *home = new.unwrap_or(*home);
                new.is_some()
            });
        }
    }
}

impl Network {
    fn of(network: &Value) -> Self {
        let text = |key: &str| network[key].as_str().unwrap_or_default().to_owned();
        let option = |name: &str| network["Options"][name].as_str();
        let mode =
            |family: &str| option(&format!("com.docker.network.bridge.gateway_mode_{family}"));
        let subnets = network["IPAM"]["Config"].as_array().into_iter().flatten();
        Self {
            name: text("Name"),
            id: text("Id"),
            driver: text("Driver"),
            subnets: subnets
                .filter_map(|config| config["Subnet"].as_str())
                .map(str::to_owned)
                .collect(),
            internal: network["Internal"] == true,
            apart: option("com.docker.network.bridge.enable_icc") == Some("false"),
            routed: [mode("ipv4"), mode("ipv6")]
                .iter()
                .any(|mode| matches!(mode, Some("routed" | "nat-unprotected"))),
        }
    }

    /// What it is and what it leads to, in words.
    pub(super) fn about(&self) -> String {
        let mut words = vec![self.driver.clone()];
        words.extend(self.subnets.iter().cloned());
        let about = match (self.internal, self.apart) {
            _ if matches!(self.driver.as_str(), "host" | "null") => "",
            (true, true) => "leads nowhere, members apart",
            (true, false) => "leads nowhere",
            (false, true) => "leads out, members apart",
            (false, false) => "leads out",
        };
        let about = if self.routed {
            format!("{about}, reached at its own addresses")
        } else {
            about.to_owned()
        };
        let words = words.join(" ");
        if about.is_empty() {
            words
        } else {
            format!("{words}, {about}")
        }
    }

    /// Do members reach each other by it?
    pub(super) fn joins(&self) -> bool {
        !self.apart && !matches!(self.driver.as_str(), "host" | "null")
    }
}

impl Container {
    fn of(container: &Value, networks: &[Network]) -> Self {
        let name = container["Names"][0].as_str().unwrap_or_default();
        let joined = container["NetworkSettings"]["Networks"].as_object();
        let mut homes: Vec<_> = joined
            .into_iter()
            .flatten()
            .filter_map(|(name, endpoint)| {
                let place = networks.iter().position(|n| n.name == *name)?;
                let address = |key: &str| endpoint[key].as_str().filter(|text| !text.is_empty());
                let addresses = [address("IPAddress"), address("GlobalIPv6Address")];
                let addresses = addresses.into_iter().flatten().map(str::to_owned);
                Some((place, addresses.collect()))
            })
            .collect();
        homes.sort();
        let ports = container["Ports"].as_array().into_iter().flatten();
        let mut ports: Vec<_> = ports.filter_map(Port::of).collect();
        ports.sort();
        ports.dedup();
        Self {
            name: name.trim_start_matches('/').to_owned(),
            homes,
            ports,
        }
    }
}

impl Port {
    /// None of a port that is not published.
    fn of(port: &Value) -> Option<Self> {
        let ip = port["IP"].as_str().filter(|ip| !ip.is_empty())?;
        let inside = format!(
            "{}/{}",
            port["PrivatePort"].as_u64().unwrap_or(0),
            port["Type"].as_str().unwrap_or_default()
        );
        let outside = match port["PublicPort"].as_u64() {
            None | Some(0) => "its own address".to_owned(),
            Some(number) if ip.contains(':') => format!("[{ip}]:{number}"),
            Some(number) => format!("{ip}:{number}"),
        };
        let told = port["Reach"].as_str().map(str::to_owned);
        Some(Self {
            inside,
            outside,
            reach: told.unwrap_or_else(|| guess(ip).to_owned()),
        })
    }
}

/// Of an engine that does not tell: what the address alone says.
fn guess(ip: &str) -> &'static str {
    match ip.parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() => "local",
        _ => "lan",
    }
}

#[cfg(test)]
pub(super) mod tests;
