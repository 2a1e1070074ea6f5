//! Names on user-defined networks: the tables that the shims' servers read, and the sockets on which a
//! container's queries arrive (ADR 24).
//!
//! A query for 127.0.0.11:53 is led to the server's own port by rules inside the container's namespace,
//! so that the container's port 53 stays its own. Sockets, rules and tables are made here; the server is
//! the container's shim, which outlives this daemon.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;

use gantry_ids::ContainerId;
use gantry_netlink::{Protocol, Socket};
use gantry_resolver::table::{ContainerNames, Membership, NetworkNames, Upstream};

use super::{Networks, State, lock};
use crate::config::DnsConfig;
use crate::endpoint::{Endpoint, leading_out};
use crate::error::NetworkError;
use crate::firewall::redirect;
use crate::info::is_builtin;
use crate::namespace;
use crate::records::Naming;
use crate::resolv::{host_resolv_conf, sets_ndots};

/// The address that containers know their name server by; docker's.
const SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// What the server of one container is given.
#[derive(Debug)]
pub struct NameSockets {
    /// Bound in the container's namespace.
    pub udp: UdpSocket,
    /// Listening there.
    pub tcp: TcpListener,
    /// The container's table; its networks' lie beside it.
    pub table: PathBuf,
    /// The container's network namespace.
    pub namespace: PathBuf,
}

impl Networks {
    /// Notes how a container with a sandbox asks for names that no network knows; written down with
    /// its next endpoint.
    pub fn set_resolver(&self, container: &ContainerId, wanted: &DnsConfig) {
        let dns = wanted.or(&self.config.dns);
        if let Some(attached) = self.state().containers.get_mut(container) {
            attached.naming.servers = dns.servers;
            attached.naming.single_label_is_local = sets_ndots(&dns.options);
        }
    }

    /// The sockets for a container's name server, if it needs one and has none yet. Once somebody
    /// serves them, [`Networks::names_are_served`] is to be called; until then each call makes new ones.
    pub fn open_names(&self, container: &ContainerId) -> Result<Option<NameSockets>, NetworkError> {
        let needed = self.state().containers.get(container).is_some_and(|c| {
            c.sandbox && !c.naming.served && c.endpoints.iter().any(|h| has_names(&h.endpoint))
        });
        if !needed {
            return Ok(None);
        }
        let path = self.sandbox_path(container);
        let sandbox = namespace::open(&path)?;
        let (udp, tcp) = namespace::enter(&sandbox, &path, || listen(&path))?;
        Ok(Some(NameSockets {
            udp,
            tcp,
            table: self.names_file(container.as_str()),
            namespace: path,
        }))
    }

    /// The sockets of [`Networks::open_names`] are served for as long as the container runs.
    pub fn names_are_served(&self, container: &ContainerId) -> Result<(), NetworkError> {
        if let Some(attached) = self.state().containers.get_mut(container) {
            attached.naming.served = true;
        }
        self.write_record(container)
    }

    /// Writes the tables of these endpoints' networks and containers as the books say now. A table that
    /// cannot be written leaves names as they were, which is no reason to fail what changed them.
    pub(super) fn write_names(&self, endpoints: &[Endpoint]) {
        let _writing = lock(&self.naming);
        let networks: BTreeSet<_> = endpoints
            .iter()
            .filter(|e| has_names(e))
            .map(|e| &e.network)
            .collect();
        let containers: BTreeSet<_> = endpoints.iter().map(|e| &e.container).collect();
        for network in networks {
            let table = self.state().names_of_network(network.as_str());
            self.write_table(network.as_str(), table.map(|t| t.encode()));
        }
        for container in containers {
            let table = self.state().names_of_container(container);
            self.write_table(container.as_str(), table.map(|t| t.encode()));
        }
    }

    /// Writes every table anew and removes those of nobody.
    pub(super) fn write_all_names(&self) {
        let endpoints: Vec<_> = {
            let state = self.state();
            let held = state.containers.values().flat_map(|c| &c.endpoints);
            held.map(|h| h.endpoint.clone()).collect()
        };
        self.write_names(&endpoints);
        let known: BTreeSet<_> = endpoints
            .iter()
            .flat_map(|e| [e.network.as_str(), e.container.as_str()])
            .collect();
        let Ok(entries) = std::fs::read_dir(&self.config.names_dir) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| known.contains(name)) {
                drop(std::fs::remove_file(entry.path()));
            }
        }
    }

    /// A network or container is gone.
    pub(super) fn forget_names(&self, id: &str) {
        self.write_table(id, None);
    }

    fn names_file(&self, id: &str) -> PathBuf {
        self.config.names_dir.join(id)
    }

    fn write_table(&self, id: &str, text: Option<String>) {
        let path = self.names_file(id);
        let new = path.with_extension("new");
        let written = match text {
            Some(text) => std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path)),
            None => match std::fs::remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                other => other,
            },
        };
        if let Err(error) = written {
            tracing::error!(path = %path.display(), %error, "a table of names was not written");
        }
    }
}

/// Does an endpoint's network tell names? The default ones do not.
fn has_names(endpoint: &Endpoint) -> bool {
    !is_builtin(&endpoint.network_name)
}

/// Runs in the container's namespace: two sockets on ports of the kernel's choice, and the rules that
/// lead queries to them.
fn listen(path: &std::path::Path) -> Result<(UdpSocket, TcpListener), NetworkError> {
    let failed = |source| NetworkError::Namespace {
        step: "listen for names in",
        path: path.to_owned(),
        source,
    };
    let udp = UdpSocket::bind((SERVER, 0)).map_err(failed)?;
    let tcp = TcpListener::bind((SERVER, 0)).map_err(failed)?;
    let port = |address: std::io::Result<SocketAddr>| address.map(|a| a.port()).map_err(failed);
    let ports = redirect::Ports {
        udp: port(udp.local_addr())?,
        tcp: port(tcp.local_addr())?,
    };
    let mut socket = Socket::open(Protocol::Netfilter).map_err(NetworkError::Firewall)?;
    redirect::names(SERVER, ports)
        .commit(&mut socket)
        .map_err(NetworkError::Firewall)?;
    Ok((udp, tcp))
}

impl State {
    fn names_of_network(&self, network: &str) -> Option<NetworkNames> {
        let record = &self
            .networks
            .iter()
            .find(|n| n.record.id.as_str() == network)?
            .record;
        let mut names = NetworkNames {
            network: record.name.clone(),
            ..NetworkNames::default()
        };
        let held = self.containers.values().flat_map(|c| &c.endpoints);
        for endpoint in held.map(|h| &h.endpoint).filter(|e| e.network == record.id) {
            for net in endpoint.addresses() {
                names.add(&endpoint.names, net.addr());
            }
        }
        Some(names)
    }

    /// None for a container that has nobody to ask.
    fn names_of_container(&self, container: &ContainerId) -> Option<ContainerNames> {
        let attached = self.containers.get(container)?;
        let asks = attached.endpoints.iter().any(|h| has_names(&h.endpoint));
        if !asks && !attached.naming.served {
            return None;
        }
        let endpoints = || attached.endpoints.iter().map(|h| &h.endpoint);
        let networks = endpoints().filter(|e| has_names(e)).map(|e| Membership {
            file: e.network.to_string(),
            links: e.links.iter().cloned().collect(),
        });
        Some(ContainerNames {
            networks: networks.collect(),
            forward: leading_out(endpoints()).is_some(),
            single_label_is_local: attached.naming.single_label_is_local,
            upstream: upstream(&attached.naming),
        })
    }
}

fn upstream(naming: &Naming) -> Vec<Upstream> {
    if naming.servers.is_empty() {
        return vec![Upstream::HostFile(host_resolv_conf().0)];
    }
    naming
        .servers
        .iter()
        .copied()
        .map(Upstream::Server)
        .collect()
}
