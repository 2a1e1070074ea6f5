//! The start: definitions, endpoint records, bridge, kernel settings, firewall table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gantry_netlink::nft::{self, Family, Hook, Policy};
use gantry_netlink::{Protocol, Socket, route};

use super::settle::network_of;
use super::{Attached, Held, Networks, State, defaults, hooks, lock};
use crate::bridge;
use crate::config::NetworkConfig;
use crate::endpoint::Endpoint;
use crate::error::NetworkError;
use crate::info::is_builtin;
use crate::names;
use crate::port_book::PortBook;
use crate::records::Records;
use crate::relay::Relay;
use crate::reservation::{Reservation, ephemeral_range};
use crate::store::{NetworkRecord, NetworkStore};
use crate::teardown::Teardown;

impl Networks {
    /// Reads definitions and endpoint records, makes the default networks where they are missing,
    /// and brings bridge, forwarding and nftables table into being. Nothing of a live container is
    /// touched; call [`Networks::recover`] once it is known who lives.
    pub fn open(config: NetworkConfig, store: Arc<dyn NetworkStore>) -> Result<Self, NetworkError> {
        let socket = |protocol| Socket::open(protocol).map_err(NetworkError::Links);
        let mut route = socket(Protocol::Route)?;
        let netfilter = socket(Protocol::Netfilter)?;
        for folder in [&config.netns_dir, &config.names_dir] {
            std::fs::create_dir_all(folder).map_err(|source| NetworkError::File {
                step: "make the folder",
                path: folder.clone(),
                source,
            })?;
        }
        let records = Records::open(&config.state_dir)?;
        let attached = records.load()?;
        let in_use = attached
            .iter()
            .flat_map(|r| &r.endpoints)
            .any(|e| e.network_name == defaults::BRIDGE);
        finish_teardown(&mut route, names::dying_group(config.engine))?;
        let definitions = defaults::ensure(&config, store.as_ref(), &mut route, in_use)?;
        let mut warnings = kernel_settings(&config, &definitions)?;
        let networks = definitions.into_iter().map(network_of).collect();
        let mut state = State {
            networks,
            containers: BTreeMap::new(),
            ports: PortBook::new(ephemeral_range()),
            warnings: Vec::new(),
        };
        for record in attached {
            let held = record
                .endpoints
                .into_iter()
                .map(|e| state.readopt(e, &config, &mut warnings))
                .collect();
            state.containers.insert(
                record.container,
                Attached {
                    sandbox: record.sandbox,
                    endpoints: held,
                    naming: record.naming,
                },
            );
        }
        state.warnings = warnings;
        let teardown = Teardown::start(socket(Protocol::Route)?, names::dying_group(config.engine))
            .map_err(|source| NetworkError::File {
                step: "start the thread of",
                path: "teardown".into(),
                source,
            })?;
        let networks = Self {
            config,
            store,
            records,
            state: Mutex::new(state),
            defining: Mutex::new(()),
            naming: Mutex::new(()),
            route: Mutex::new(route),
            netfilter: Mutex::new(netfilter),
            teardown,
            relay: Relay::default(),
            watch: Mutex::default(),
            host_reach: Mutex::default(),
        };
        networks.restore_networks();
        networks.take_firewall_over()?;
        for endpoint in networks.all_endpoints() {
            networks.relay(&endpoint);
        }
        Ok(networks)
    }

    /// The devices of user-defined networks, which are gone after a reboot. One that cannot be made is
    /// no reason not to serve the others.
    fn restore_networks(&self) {
        let records: Vec<_> = self
            .state()
            .networks
            .iter()
            .map(|n| n.record.clone())
            .filter(|record| !is_builtin(&record.name))
            .collect();
        let mut socket = lock(&self.route);
        for record in records {
            if let Err(error) = self.restore_device(&mut socket, &record) {
                let error = gantry_errors::chain(&error);
                let warning = format!("network {} cannot be used: {error}", record.name);
                self.state().warnings.push(warning);
            }
        }
    }
}

/// What an earlier daemon marked for deletion and did not live to delete.
fn finish_teardown(socket: &mut Socket, group: u32) -> Result<(), NetworkError> {
    let left = route::links(socket).map_err(NetworkError::Links)?;
    if left.iter().any(|link| link.group == group) {
        socket
            .request(&[route::delete_group(group)])
            .map_err(NetworkError::Links)?;
    }
    Ok(())
}

impl State {
    /// Notes what a container of before holds; its host ports are bound again where they are free.
    fn readopt(
        &mut self,
        endpoint: Endpoint,
        config: &NetworkConfig,
        warnings: &mut Vec<String>,
    ) -> Held {
        if let Some(network) = self.by_id(&endpoint.network) {
            for ip in endpoint.addresses().iter().map(ipnet::IpNet::addr) {
                if !network.take(ip) {
                    warnings.push(format!(
                        "address {ip} of container {} is not free in its network",
                        endpoint.container_name
                    ));
                }
            }
        }
        for port in endpoint.ports.iter().filter(|port| port.host_port != 0) {
            self.ports.take(port);
        }
        let ports = if config.firewall {
            endpoint.ports.as_slice()
        } else {
            &[]
        };
        let (reservation, refused) = Reservation::bind_what_is_free(ports);
        for refused in refused {
            let port = &refused.port;
            warnings.push(format!(
                "a process of the host took port {}:{}/{} of container {} while the engine was away ({}); the container still gets its packets",
                port.host_ip, port.host_port, port.protocol, endpoint.container_name, refused.source
            ));
        }
        Held {
            endpoint,
            ports: reservation,
        }
    }
}

/// Told when it happens.
pub(super) const FORWARDING_V6: &str = "net.ipv6.conf.all.forwarding was off and is now on: this host forwards IPv6 between all its networks unless its firewall says otherwise; devices that learn routes from routers go on doing so (accept_ra=2)";

/// What the kernel needs beside links: forwarding, and loopback routing for the default bridge.
fn kernel_settings(
    config: &NetworkConfig,
    networks: &[NetworkRecord],
) -> Result<Vec<String>, NetworkError> {
    let mut warnings = Vec::new();
    if networks.iter().all(|n| n.bridge.is_none()) {
        return Ok(warnings);
    }
    if config.ip_forward && bridge::enable_forwarding()? {
        warnings.push(
            "net.ipv4.ip_forward was off and is now on: this host forwards between all its networks unless its firewall says otherwise".to_owned(),
        );
    }
    let six = networks.iter().any(|n| n.ipv6 && n.bridge.is_some());
    if config.ip_forward && six && bridge::enable_forwarding_v6()? {
        warnings.push(FORWARDING_V6.to_owned());
    }
    let default = networks
        .iter()
        .find(|n| n.name == defaults::BRIDGE)
        .and_then(|n| n.bridge.as_deref());
    if let Some(name) = default.filter(|_| config.firewall) {
        bridge::allow_loopback_routing(name)?;
    }
    Ok(warnings)
}

/// Its forward chain takes published ports, and rejects what it knows no zone for.
const FIREWALLD: &str = "firewalld rejects what containers send to other networks, of all networks whose bridges are in no zone that forwards: `firewall-cmd --permanent --zone=trusted --add-interface=BRIDGE` and a reload let one through; published ports are reached";

/// Chains of others that drop forwarded packets by policy: an accept of ours does not undo that.
pub(super) fn foreign_drops(
    socket: &mut Socket,
    own_table: &str,
) -> Result<Vec<String>, NetworkError> {
    let mut warnings = Vec::new();
    for (family, word) in [
        (Family::Ipv4, "ip"),
        (Family::Inet, "inet"),
        (Family::Ipv6, "ip6"),
    ] {
        let chains = nft::chains(socket, family).map_err(NetworkError::Firewall)?;
        for chain in chains {
            if !chain.is_at(Hook::Forward) || chain.table == own_table {
                continue;
            }
            if chain.table == "firewalld" && chain.name == "filter_FORWARD" {
                warnings.push(FIREWALLD.to_owned());
            }
            if chain.policy == Policy::Drop && !hooks::has_hook(socket, family, &chain.table) {
                warnings.push(format!(
                    "chain {} of nftables table {word} {} drops forwarded packets by policy: containers reach the outside, and are reached through published ports, only as far as its rules allow",
                    chain.name, chain.table
                ));
            }
        }
    }
    let legacy =
        std::fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default();
    if legacy.lines().any(|table| table == "filter") {
        warnings.push(
            "iptables-legacy has a filter table: if its FORWARD chain drops, containers are cut off whatever the engine's own rules say".to_owned(),
        );
    }
    Ok(warnings)
}
