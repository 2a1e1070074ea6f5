//! The engine's networks as one object: what the daemon calls.
//!
//! Two kinds of lock: `state` (the books; never held during a system call that can wait) and one per
//! netlink socket. A container's calls come one after the other, from the task that owns it; calls for
//! different containers run side by side.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_ids::{ContainerId, NetworkId};
use gantry_netlink::Socket;

use crate::address_book::AddressBook;
use crate::config::{DnsConfig, NetworkConfig};
use crate::definition::GatewayMode;
use crate::endpoint::{Endpoint, Sandbox};
use crate::error::NetworkError;
use crate::firewall::{self, NetworkRules, Publication, Target};
use crate::info::NetworkInfo;
use crate::namespace;
use crate::port_book::PortBook;
use crate::records::{Naming, Records};
use crate::relay::Relay;
use crate::reservation::Reservation;
use crate::resolv::{Reach, ResolvConf, host_resolv_conf, render};
use crate::store::{Family, NetworkRecord, NetworkStore};
use crate::teardown::Teardown;

mod connect;
mod default_route;
mod defaults;
mod define;
mod describe;
mod drift;
mod hooks;
mod inside;
mod lease;
mod links;
mod live_ports;
mod naming;
mod open;
mod reaches;
mod recover;
mod release;
mod settings;
mod settle;
mod watch;

pub use live_ports::PortChange;
pub use naming::NameSockets;
pub use recover::Recovery;

/// All networks of one engine. `Send + Sync`; every method may block for some milliseconds.
#[derive(Debug)]
pub struct Networks {
    config: NetworkConfig,
    store: Arc<dyn NetworkStore>,
    records: Records,
    state: Mutex<State>,
    /// Held while a network comes or goes.
    defining: Mutex<()>,
    /// Held while tables of names are written.
    naming: Mutex<()>,
    route: Mutex<Socket>,
    netfilter: Mutex<Socket>,
    teardown: Teardown,
    relay: Relay,
    watch: Mutex<Option<watch::Watch>>,
    host_reach: Mutex<Option<reaches::HostReach>>,
}

/// The books.
#[derive(Debug)]
struct State {
    networks: Vec<Network>,
    containers: BTreeMap<ContainerId, Attached>,
    ports: PortBook,
    /// What [`Networks::open`] noticed and [`Networks::recover`] tells.
    warnings: Vec<String>,
}

/// A network and its addresses, if it has any.
#[derive(Debug)]
struct Network {
    record: NetworkRecord,
    /// One for each subnet that containers get addresses of.
    addresses: Vec<AddressBook>,
}

/// What one container has.
#[derive(Debug, Default)]
struct Attached {
    sandbox: bool,
    endpoints: Vec<Held>,
    naming: Naming,
}

/// An endpoint and the sockets that hold its ports.
#[derive(Debug)]
struct Held {
    endpoint: Endpoint,
    /// Bound until dropped.
    ports: Reservation,
}

impl Networks {
    /// All networks, by name.
    #[must_use]
    pub fn list(&self) -> Vec<NetworkInfo> {
        let state = self.state();
        let mut list: Vec<_> = state
            .networks
            .iter()
            .map(|n| self.describe(&state, n))
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// One network by name, full id, or unambiguous id prefix.
    pub fn inspect(&self, network: &str) -> Result<NetworkInfo, NetworkError> {
        let state = self.state();
        let network = state.find(network)?;
        Ok(self.describe(&state, network))
    }

    /// The identifier of a network, named as for [`Self::inspect`].
    pub fn id(&self, network: &str) -> Result<NetworkId, NetworkError> {
        Ok(self.state().find(network)?.record.id.clone())
    }

    /// The name of a network, however it is called.
    pub fn name(&self, network: &str) -> Result<String, NetworkError> {
        Ok(self.state().find(network)?.record.name.clone())
    }

    /// The driver of a network, named as for [`Self::inspect`].
    pub fn driver(&self, network: &str) -> Result<String, NetworkError> {
        Ok(self.state().find(network)?.record.driver.clone())
    }

    /// Makes a network namespace with its loopback up, kept by a bind mount. Takes about a
    /// millisecond; the first thing to do for a container. Makes it anew if the container had one.
    pub fn create_sandbox(&self, container: &ContainerId) -> Result<Sandbox, NetworkError> {
        self.records.write(&self.records.record(
            container.clone(),
            true,
            self.endpoints(container),
        ))?;
        let path = self.sandbox_path(container);
        self.teardown.reclaim(&path);
        namespace::create(&path)?;
        {
            let mut state = self.state();
            let attached = state.containers.entry(container.clone()).or_default();
            attached.sandbox = true;
            attached.naming = Naming::default();
        }
        Ok(Sandbox {
            container: container.clone(),
            path,
        })
    }

    /// The namespace of a container, if it has one (also for `--network container:ID`).
    #[must_use]
    pub fn sandbox(&self, container: &ContainerId) -> Option<Sandbox> {
        let has_one = self
            .state()
            .containers
            .get(container)
            .is_some_and(|c| c.sandbox);
        has_one.then(|| Sandbox {
            container: container.clone(),
            path: self.sandbox_path(container),
        })
    }

    /// The endpoints of a container, in the order they were made.
    #[must_use]
    pub fn endpoints(&self, container: &ContainerId) -> Vec<Endpoint> {
        let state = self.state();
        let held = state
            .containers
            .get(container)
            .map(|c| c.endpoints.as_slice())
            .unwrap_or_default();
        held.iter().map(|h| h.endpoint.clone()).collect()
    }

    /// Reads a container's endpoints in their place, in the order they were made. The books are held
    /// meanwhile: `read` asks the networks for nothing else.
    pub fn with_endpoints<T>(
        &self,
        container: &ContainerId,
        read: impl FnOnce(&[&Endpoint]) -> T,
    ) -> T {
        let state = self.state();
        let held = state.containers.get(container).into_iter();
        let endpoints: Vec<&Endpoint> = held
            .flat_map(|c| &c.endpoints)
            .map(|h| &h.endpoint)
            .collect();
        read(&endpoints)
    }

    /// The container has a new name, for `network inspect`. No error if it has nothing.
    pub fn rename(&self, container: &ContainerId, name: &str) -> Result<(), NetworkError> {
        if let Some(attached) = self.state().containers.get_mut(container) {
            for endpoint in attached.endpoints.iter_mut().map(|h| &mut h.endpoint) {
                name.clone_into(&mut endpoint.container_name);
                if let Some(own) = endpoint.names.first_mut() {
                    name.clone_into(own);
                }
            }
        }
        self.write_record(container)?;
        self.write_names(&self.endpoints(container));
        Ok(())
    }

    /// What `host-gateway` stands for: `--host-gateway-ip`, else the default bridge's address.
    #[must_use]
    pub fn host_gateway(&self) -> Option<IpAddr> {
        let bridge = || {
            let state = self.state();
            let record = &state.find(defaults::BRIDGE).ok()?.record;
            record
                .subnets_in_use()
                .next()
                .map(|subnet| subnet.net.addr())
        };
        self.config.dns.host_gateway.or_else(bridge)
    }

    /// A container's `/etc/resolv.conf`: the host's, with what the container asks for (`--dns*`), else
    /// what the engine's own flags say.
    #[must_use]
    pub fn resolv_conf(&self, wanted: &DnsConfig, reach: Reach) -> ResolvConf {
        let (path, host) = host_resolv_conf();
        render(&path, &host, &wanted.or(&self.config.dns), reach)
    }

    /// Waits until the teardown queue is empty (tests, orderly shutdown).
    pub fn drain(&self) {
        self.teardown.drain();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn sandbox_path(&self, container: &ContainerId) -> PathBuf {
        self.config.netns_dir.join(container.as_str())
    }

    /// Writes down what a container has now, or that it has nothing.
    fn write_record(&self, container: &ContainerId) -> Result<(), NetworkError> {
        let record = self.state().containers.get(container).map(|attached| {
            let endpoints = attached
                .endpoints
                .iter()
                .map(|h| h.endpoint.clone())
                .collect();
            let mut record = self
                .records
                .record(container.clone(), attached.sandbox, endpoints);
            record.naming.clone_from(&attached.naming);
            record
        });
        match record {
            Some(record) => self.records.write(&record),
            None => self.records.remove(container),
        }
    }

    /// Puts the whole table as the books say, in place of what is there.
    fn rebuild_firewall(&self) -> Result<(), NetworkError> {
        if !self.config.firewall {
            return Ok(());
        }
        // Held until the kernel has it, so that no other change falls between the books and the table.
        let mut socket = lock(&self.netfilter);
        let batch = {
            let state = self.state();
            let published = state.publications();
            let manner = match self.config.host_firewall {
                true => firewall::Manner::AsTheHostAllows,
                false => firewall::Manner::ToEverybody,
            };
            firewall::table(self.config.engine, manner, &state.rules(), &published)
        };
        batch.commit(&mut socket).map_err(NetworkError::Firewall)?;
        drop(socket);
        self.settle_hooks();
        Ok(())
    }
}

/// A panic while a lock was held left no half-made change: books change after everything that can fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn find(&self, network: &str) -> Result<&Network, NetworkError> {
        let exact = |n: &&Network| n.record.name == network || n.record.id.as_str() == network;
        if let Some(found) = self.networks.iter().find(exact) {
            return Ok(found);
        }
        let by_prefix =
            |n: &&Network| !network.is_empty() && n.record.id.as_str().starts_with(network);
        let mut found = self.networks.iter().filter(by_prefix);
        match (found.next(), found.count()) {
            (Some(one), 0) => Ok(one),
            (Some(_), more) => Err(NetworkError::AmbiguousNetwork(network.to_owned(), more + 1)),
            (None, _) => Err(NetworkError::NoSuchNetwork(network.to_owned())),
        }
    }

    fn by_id(&mut self, id: &NetworkId) -> Option<&mut Network> {
        self.networks.iter_mut().find(|n| n.record.id == *id)
    }

    fn rules(&self) -> Vec<NetworkRules> {
        self.networks
            .iter()
            .flat_map(|network| settings::rules(&network.record))
            .collect()
    }

    fn publications(&self) -> Vec<Publication> {
        let held = self.containers.values().flat_map(|c| &c.endpoints);
        held.filter_map(|h| self.publication(&h.endpoint)).collect()
    }

    /// The endpoint's ports, if it publishes any.
    fn publication(&self, endpoint: &Endpoint) -> Option<Publication> {
        if endpoint.ports.is_empty() {
            return None;
        }
        let network = self
            .networks
            .iter()
            .find(|n| n.record.id == endpoint.network);
        let options = network.map(|n| settings::options(&n.record));
        let target = |family: Family| {
            let options = options.as_ref();
            let mode = options.map_or(GatewayMode::Nat, |o| o.of(family).mode);
            Some(Target {
                container: endpoint.address(family)?,
                mode,
                open: mode == GatewayMode::Routed || options.is_some_and(|o| !o.trusted.is_empty()),
            })
        };
        Some(Publication {
            ports: endpoint.ports.clone(),
            targets: Family::BOTH.map(target),
        })
    }
}
