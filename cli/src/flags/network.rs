//! Flags on networks: which, with which addresses and names, and what is published.

use anyhow::{Result, bail};
use gantry_engine_api::CreateRequest;
use gantry_engine_api::json::Empty;
use gantry_engine_api::network::{EndpointIpamConfig, EndpointSettings};

use super::mount::csv;
use super::ports::Ports;

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkFlags {
    /// Add a line to /etc/hosts (host:ip)
    #[arg(long, value_name = "list", value_parser = extra_host)]
    add_host: Vec<String>,
    /// Set a DNS server
    #[arg(long, value_name = "list")]
    dns: Vec<String>,
    /// Set a DNS option
    #[arg(long, alias = "dns-opt", value_name = "list")]
    dns_option: Vec<String>,
    /// Set a DNS search domain
    #[arg(long, value_name = "list")]
    dns_search: Vec<String>,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "list")]
    expose: Vec<String>,
    /// IPv4 address (172.30.100.104)
    #[arg(long, value_name = "string")]
    ip: Option<String>,
    /// IPv6 address (2001:db8::33)
    #[arg(long, value_name = "string")]
    ip6: Option<String>,
    /// Add a link to another container
    #[arg(long, value_name = "list")]
    link: Vec<String>,
    /// Link-local address of the container
    #[arg(long, value_name = "list")]
    link_local_ip: Vec<String>,
    /// MAC address of the container (92:d0:c6:0a:29:33)
    #[arg(long, value_name = "string")]
    mac_address: Option<String>,
    /// Connect the container to a network
    #[arg(long, alias = "net", value_name = "network")]
    network: Vec<String>,
    /// Add an alias in the network
    #[arg(long, alias = "net-alias", value_name = "list")]
    network_alias: Vec<String>,
    /// Publish a container's port to the host
    #[arg(short, long, value_name = "list")]
    publish: Vec<String>,
    /// Publish all exposed ports to random ports of the host
    #[arg(short = 'P', long)]
    publish_all: bool,
}

impl NetworkFlags {
    pub(crate) fn apply(&self, request: &mut CreateRequest) -> Result<()> {
        let mut ports = Ports::default();
        for text in &self.publish {
            ports.publish(text)?;
        }
        for text in &self.expose {
            ports.expose(text)?;
        }
        request.config.exposed_ports = ports
            .exposed
            .into_iter()
            .map(|port| (port, Empty::default()))
            .collect();
        let host = &mut request.host_config;
        host.port_bindings = ports.bindings;
        host.publish_all_ports = self.publish_all;
        host.dns = self.dns.clone().into();
        host.dns_options = self.dns_option.clone().into();
        host.dns_search = self.dns_search.clone().into();
        host.extra_hosts = self.add_host.clone().into();
        host.links = self.link.clone().into();
        self.endpoints(request)
    }

    /// The first network is the container's mode; addresses given as flags belong to it.
    fn endpoints(&self, request: &mut CreateRequest) -> Result<()> {
        let default = ["default".to_owned()];
        let given = if self.network.is_empty() {
            &default[..]
        } else {
            &self.network
        };
        for (index, text) in given.iter().enumerate() {
            let (name, mut endpoint) = network(text)?;
            if index == 0 {
                request.host_config.network_mode.clone_from(&name);
                self.first_endpoint(&name, text.contains('='), &mut endpoint)?;
            }
            let config = &mut request.networking_config.endpoints_config;
            let alone = matches!(name.as_str(), "host" | "none") || name.starts_with("container:");
            if alone && given.len() > 1 {
                bail!(
                    "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
                );
            }
            if config.contains_key(&name) {
                bail!("network \"{name}\" is specified multiple times");
            }
            config.insert(name, endpoint);
        }
        Ok(())
    }

    fn first_endpoint(
        &self,
        name: &str,
        long: bool,
        endpoint: &mut EndpointSettings,
    ) -> Result<()> {
        let addressed = self.ip.is_some() || self.ip6.is_some() || !self.link_local_ip.is_empty();
        if long && (addressed || !self.network_alias.is_empty() || self.mac_address.is_some()) {
            bail!(
                "conflicting options: cannot specify addresses or aliases both as flags and in --network"
            );
        }
        if !self.network_alias.is_empty() {
            endpoint.aliases = self.network_alias.clone().into();
        }
        if let Some(address) = &self.mac_address {
            address.trim().clone_into(&mut endpoint.mac_address);
        }
        // Links between containers of the default bridge are the host's affair.
        if !self.link.is_empty() && !matches!(name, "default" | "bridge") {
            endpoint.links = self.link.clone().into();
        }
        if addressed {
            endpoint.ipam_config = Some(EndpointIpamConfig {
                ipv4_address: self.ip.clone().unwrap_or_default(),
                ipv6_address: self.ip6.clone().unwrap_or_default(),
                link_local_ips: self.link_local_ip.clone().into(),
            });
        }
        Ok(())
    }
}

/// `NAME` or `name=NAME,alias=…,ip=…`.
fn network(text: &str) -> Result<(String, EndpointSettings)> {
    let mut endpoint = EndpointSettings::default();
    if !text.contains('=') {
        return Ok((text.to_owned(), endpoint));
    }
    let mut name = String::new();
    let mut ipam = EndpointIpamConfig::default();
    for field in csv(text)? {
        let Some((key, value)) = field.split_once('=') else {
            bail!("invalid field {field}")
        };
        let value = value.trim();
        match key.trim().to_lowercase().as_str() {
            "name" => value.clone_into(&mut name),
            "alias" => endpoint.aliases.push(value.to_owned()),
            "ip" => value.clone_into(&mut ipam.ipv4_address),
            "ip6" => value.clone_into(&mut ipam.ipv6_address),
            "mac-address" => value.clone_into(&mut endpoint.mac_address),
            "link-local-ip" => ipam.link_local_ips.push(value.to_owned()),
            "driver-opt" => {
                let Some((option, value)) = value.split_once('=') else {
                    bail!("invalid key value pair format in driver options");
                };
                endpoint
                    .driver_opts
                    .insert(option.to_owned(), value.to_owned());
            }
            "gw-priority" => {
                let Ok(priority) = value.parse() else {
                    bail!("invalid gw-priority ({value})")
                };
                endpoint.gw_priority = priority;
            }
            _ => bail!("invalid field key {key}"),
        }
    }
    if name.is_empty() {
        bail!("network name/id is not specified");
    }
    if ipam != EndpointIpamConfig::default() {
        endpoint.ipam_config = Some(ipam);
    }
    Ok((name, endpoint))
}

/// `name:address`, or `name=address`; the engine is told the first form.
pub(crate) fn extra_host(text: &str) -> std::result::Result<String, String> {
    let split = text.find(['=', ':']).filter(|at| *at > 0);
    let Some((name, address)) = split.map(|at| (&text[..at], &text[at + 1..])) else {
        return Err(format!("bad format for add-host: \"{text}\""));
    };
    let bare = address
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    let address = bare.unwrap_or(address);
    if address != "host-gateway" && address.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("invalid IP address in add-host: \"{address}\""));
    }
    Ok(format!("{name}:{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        assert_eq!(extra_host("a:1.2.3.4").unwrap(), "a:1.2.3.4");
        assert_eq!(extra_host("a=::1").unwrap(), "a:::1");
        assert_eq!(extra_host("a:[::1]").unwrap(), "a:::1");
        assert_eq!(extra_host("a:host-gateway").unwrap(), "a:host-gateway");
        for text in ["a", ":1.2.3.4", "a:b"] {
            assert!(extra_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_long_form_of_a_network_is_read() {
        let (name, endpoint) = network("name=n,alias=a,alias=b,ip=10.0.0.2,gw-priority=3").unwrap();
        assert_eq!(
            (name.as_str(), endpoint.gw_priority, endpoint.aliases.len()),
            ("n", 3, 2)
        );
        assert_eq!(endpoint.ipam_config.unwrap().ipv4_address, "10.0.0.2");
        assert!(network("alias=a").is_err());
    }
}
