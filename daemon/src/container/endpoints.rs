//! A container's networks: what was asked for, checked in dockerd's words, and joined.
//!
//! The record keeps an entry per network; what the container got from it is the networks' own record.
//! A container joins all its networks at its start, and others while it runs.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gantry_engine_api::network::{EndpointSettings, Endpoints};
use gantry_engine_api::{HostConfig, Map};
use gantry_network::{
    DnsConfig, Endpoint, EndpointRequest, Findings, MacAddr, NetworkInfo, PortRequest,
};

use super::{
    error::ContainerError,
    model::Record,
    ports,
    registry::{Containers, Parts},
    spec::namespaces::{Mode, mode},
};

impl Containers {
    /// Names and ids of networks that a container is to join, running or not.
    #[must_use]
    pub fn networks_in_use(&self) -> BTreeSet<String> {
        let records = self.records().into_iter();
        records
            .filter(|record| record.life.counts_as_running())
            .flat_map(|record| record.endpoints.keys().cloned().collect::<Vec<_>>())
            .collect()
    }
}

/// The networks of a new container by name, each checked; without any asked for, that of its mode.
///
/// # Errors
/// [`ContainerError::Invalid`] in dockerd's words.
pub(super) fn requested(
    parts: &Parts,
    network_mode: &str,
    asked: &Map<EndpointSettings>,
) -> Result<Endpoints, ContainerError> {
    let mut networks = Map::default();
    for (name, settings) in asked {
        let name = canonical(parts, name);
        check_at_create(parts, &name, settings)?;
        networks.insert(name, Box::new(settings.clone()));
    }
    if networks.is_empty()
        && let Some(main) = main_network(network_mode)
    {
        networks.insert(canonical(parts, main), Box::default());
    }
    Ok(networks)
}

/// The network that a mode names; none where it names another container.
pub(super) fn main_network(network_mode: &str) -> Option<&str> {
    match mode(network_mode) {
        Mode::Container(_) => None,
        Mode::Default => Some("bridge"),
        Mode::Host => Some("host"),
        Mode::Word(name) => Some(name),
    }
}

/// A network's name for whatever a client calls it; as it is where there is none.
pub(super) fn canonical(parts: &Parts, network: &str) -> String {
    let network = if network == "default" {
        "bridge"
    } else {
        network
    };
    let found = parts.networks.name(network);
    found.unwrap_or_else(|_| network.to_owned())
}

fn check_at_create(
    parts: &Parts,
    name: &str,
    settings: &EndpointSettings,
) -> Result<(), ContainerError> {
    // One that is not there yet may be at the start.
    let Ok(network) = parts.networks.inspect(name) else {
        return Ok(());
    };
    check(&network, settings).map_err(|error| {
        ContainerError::Invalid(format!("invalid config for network {name}: {error}"))
    })
}

/// Whether a container can be in this network as it is asked for.
///
/// # Errors
/// [`ContainerError::Invalid`] in dockerd's words.
pub(super) fn check(
    network: &NetworkInfo,
    settings: &EndpointSettings,
) -> Result<(), ContainerError> {
    let mac = &settings.mac_address;
    if !mac.is_empty() && mac.parse::<MacAddr>().is_err() {
        return Err(ContainerError::Invalid(format!(
            "invalid MAC address {mac}"
        )));
    }
    let mut findings = Vec::new();
    let own = !network.is_builtin();
    if !own && !settings.aliases.is_empty() {
        findings.push(
            "network-scoped alias is supported only for containers in user defined networks"
                .to_owned(),
        );
    }
    let ipam = settings.ipam_config.clone().unwrap_or_default();
    for (text, is_v6) in [(&ipam.ipv4_address, false), (&ipam.ipv6_address, true)] {
        if !text.is_empty() {
            check_address(network, text, is_v6, &mut findings);
        }
    }
    for text in &ipam.link_local_ips {
        if text.parse::<IpAddr>().is_err() {
            findings.push(format!("invalid link-local IP address: {text}"));
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    let findings = Findings(findings);
    Err(ContainerError::Invalid(format!(
        "invalid endpoint settings:{findings}"
    )))
}

fn check_address(network: &NetworkInfo, text: &str, is_v6: bool, findings: &mut Vec<String>) {
    let address = text
        .parse::<IpAddr>()
        .ok()
        .filter(|address| address.is_ipv6() == is_v6);
    if address.is_none() {
        let family = if is_v6 { "IPv6" } else { "IPv4" };
        findings.push(format!("invalid {family} address: {text}"));
    }
    if network.is_builtin() {
        findings.push(
            "user specified IP address is supported on user defined networks only".to_owned(),
        );
    }
    let own = || {
        network
            .ipam
            .iter()
            .filter(|p| p.subnet.addr().is_ipv6() == is_v6)
    };
    if !own().any(|pool| pool.chosen) {
        findings.push("user specified IP address is supported only when connecting to networks with user configured subnets".to_owned());
        return;
    }
    if !address.is_some_and(|address| own().any(|p| p.subnet.contains(&address))) {
        findings.push(format!(
            "no configured subnet or ip-range contain the IP address {text}"
        ));
    }
}

/// All a container is called in networks of one's own: name, aliases, short id, host name.
pub(super) fn names(record: &Record, settings: &EndpointSettings) -> Vec<String> {
    let mut names = vec![record.name.to_string()];
    let more = settings
        .aliases
        .iter()
        .cloned()
        .chain([record.id.short().to_owned(), full_hostname(record)]);
    for name in more.filter(|name| !name.is_empty()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Host name and domain.
pub(super) fn full_hostname(record: &Record) -> String {
    let config = &record.config;
    match config.domainname.as_str() {
        "" => config.hostname.clone(),
        domain => format!("{}.{domain}", config.hostname),
    }
}

/// Is the container on a network that tells names?
pub(super) fn has_names(record: &Record) -> bool {
    record
        .endpoints
        .keys()
        .any(|name| !gantry_network::is_builtin(name))
}

/// The container's networks in the order in which its interfaces are made: its mode's first.
fn in_order(record: &Record) -> Vec<(&String, &EndpointSettings)> {
    let main = main_network(&record.host.network_mode).unwrap_or_default();
    let endpoints = record.endpoints.iter();
    let mut list: Vec<_> = endpoints
        .map(|(name, settings)| (name, &**settings))
        .collect();
    list.sort_by_key(|(name, settings)| (*name != main && settings.network_id != main, *name));
    list
}

/// Joins all of a container's networks; nothing to do where it uses another's.
///
/// # Errors
/// The first network that cannot be joined; those before it are released with the container.
pub(super) fn connect_all(parts: &Parts, record: &Record) -> Result<Vec<Endpoint>, ContainerError> {
    if let Mode::Container(_) = mode(&record.host.network_mode) {
        return Ok(Vec::new());
    }
    parts.networks.set_resolver(&record.id, &wanted_dns(record));
    for (name, settings) in in_order(record) {
        connect(parts, record, name, settings)?;
    }
    Ok(parts.networks.endpoints(&record.id))
}

/// Joins one network. The published ports go to whichever endpoint leads out.
///
/// # Errors
/// The network is not there, full, or the kernel refuses.
pub(super) fn connect(
    parts: &Parts,
    record: &Record,
    name: &str,
    settings: &EndpointSettings,
) -> Result<Endpoint, ContainerError> {
    let request = EndpointRequest {
        ip: address(settings),
        ip6: address_v6(settings),
        mac: mac(record, name, settings),
        ports: ports_to_publish(parts, record, name)?,
        names: names(record, settings),
        links: links(settings),
        link_local: link_local(settings),
        gateway_priority: settings.gw_priority,
        ..EndpointRequest::new(record.id.clone(), record.name.as_str(), name)
    };
    let endpoint = parts.networks.connect(&request);
    let endpoint = endpoint.map_err(ContainerError::Connect)?;
    Ok(endpoint)
}

/// All of them unless an endpoint holds them already.
fn ports_to_publish(
    parts: &Parts,
    record: &Record,
    network: &str,
) -> Result<Vec<PortRequest>, ContainerError> {
    let held = parts.networks.endpoints(&record.id);
    if matches!(network, "host" | "none") || held.iter().any(|e| !e.ports.is_empty()) {
        return Ok(Vec::new());
    }
    ports::requests(&record.config, &record.host)
}

fn address(settings: &EndpointSettings) -> Option<Ipv4Addr> {
    settings.ipam_config.as_ref()?.ipv4_address.parse().ok()
}

fn address_v6(settings: &EndpointSettings) -> Option<Ipv6Addr> {
    settings.ipam_config.as_ref()?.ipv6_address.parse().ok()
}

fn link_local(settings: &EndpointSettings) -> Vec<IpAddr> {
    let ipam = settings.ipam_config.iter();
    ipam.flat_map(|ipam| ipam.link_local_ips.iter())
        .filter_map(|text| text.parse().ok())
        .collect()
}

/// The endpoint's own, or for the network of the container's mode the container's.
fn mac(record: &Record, network: &str, settings: &EndpointSettings) -> Option<MacAddr> {
    let is_main = main_network(&record.host.network_mode) == Some(network);
    let container = if is_main {
        record.config.mac_address.as_str()
    } else {
        ""
    };
    [settings.mac_address.as_str(), container]
        .into_iter()
        .find(|text| !text.is_empty())
        .and_then(|text| text.parse().ok())
}

/// `NAME[:ALIAS]` as alias and name.
fn links(settings: &EndpointSettings) -> Vec<(String, String)> {
    let split = |link: &String| {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        (alias.to_ascii_lowercase(), name.to_ascii_lowercase())
    };
    settings.links.iter().map(split).collect()
}

/// `--link` on the default bridge; on other networks it is the endpoint's.
pub(super) fn legacy_links(host: &HostConfig) -> &[String] {
    match main_network(&host.network_mode) {
        Some("bridge") => &host.links,
        _ => &[],
    }
}

/// `--dns*`.
pub(super) fn wanted_dns(record: &Record) -> DnsConfig {
    let host = &record.host;
    DnsConfig {
        servers: host.dns.iter().filter_map(|s| s.parse().ok()).collect(),
        search: host.dns_search.to_vec(),
        options: host.dns_options.to_vec(),
        host_gateway: None,
    }
}
