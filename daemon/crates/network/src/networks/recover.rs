//! Books and kernel are made to agree again: after a start, and whenever something may be amiss.

use std::collections::BTreeSet;

use gantry_ids::ContainerId;
use gantry_netlink::nft::{self, Family};
use gantry_netlink::route;

use super::{Networks, lock, open};
use crate::endpoint::Endpoint;
use crate::error::NetworkError;
use crate::names;
use crate::namespace;
use crate::store::NetworkRecord;
use crate::teardown::Job;

/// What [`Networks::recover`] found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What of live containers was put back, as a sentence each.
    pub repaired: Vec<String>,
    /// Left-overs that were removed, as a sentence each.
    pub swept: Vec<String>,
    /// What a user should know (a foreign firewall that drops, a port that a host process took).
    pub warnings: Vec<String>,
}

/// What was just released.
#[derive(Debug, Default)]
struct Leaving {
    veths: BTreeSet<String>,
    containers: BTreeSet<ContainerId>,
}

impl Networks {
    /// Reconciles with the containers that run: puts back what the kernel lost (bridge, ports of the
    /// bridge, veths, table), releases endpoints and namespaces of others, and sweeps what carries
    /// this engine's id and has no record. To be called once after [`Networks::open`], and later
    /// whenever something may have been flushed; never while a container is being started.
    pub fn recover(&self, live: &BTreeSet<ContainerId>) -> Result<Recovery, NetworkError> {
        let mut recovery = Recovery {
            warnings: std::mem::take(&mut self.state().warnings),
            ..Recovery::default()
        };
        let released = self.release_dead(live, &mut recovery)?;
        self.restore_bridges(&mut recovery)?;
        for endpoint in self.all_endpoints() {
            self.restore_links(&endpoint, &mut recovery)?;
        }
        self.restore_firewall(&mut recovery)?;
        self.write_all_names();
        self.sweep(live, &released, &mut recovery)?;
        Ok(recovery)
    }

    fn bridges(&self) -> Vec<String> {
        let state = self.state();
        let bridges = state
            .networks
            .iter()
            .filter_map(|n| n.record.bridge.clone().or(n.record.parent.clone()));
        bridges.collect()
    }

    pub(super) fn all_endpoints(&self) -> Vec<Endpoint> {
        let state = self.state();
        state
            .containers
            .values()
            .flat_map(|c| &c.endpoints)
            .map(|h| h.endpoint.clone())
            .collect()
    }

    /// Returns what is on its way out by now.
    fn release_dead(
        &self,
        live: &BTreeSet<ContainerId>,
        recovery: &mut Recovery,
    ) -> Result<Leaving, NetworkError> {
        let known: BTreeSet<_> = self.state().containers.keys().cloned().collect();
        let mut leaving = Leaving::default();
        for container in known.difference(live) {
            let veths = self
                .endpoints(container)
                .into_iter()
                .map(|e| names::veth(self.config.engine, &e.id));
            leaving.veths.extend(veths);
            leaving.containers.insert(container.clone());
            self.release(container)?;
            recovery.swept.push(format!(
                "released the network of container {container}, which does not run"
            ));
        }
        Ok(leaving)
    }

    fn restore_bridges(&self, recovery: &mut Recovery) -> Result<(), NetworkError> {
        let networks: Vec<_> = self
            .state()
            .networks
            .iter()
            .map(|n| n.record.clone())
            .collect();
        let mut socket = lock(&self.route);
        for record in networks {
            if let Some(name) = self.restore_lost_device(&mut socket, &record)? {
                recovery.repaired.push(format!("made {name} again"));
            }
        }
        Ok(())
    }

    /// A port that its bridge lost is put back; a veth that is gone is made again.
    fn restore_links(
        &self,
        endpoint: &Endpoint,
        recovery: &mut Recovery,
    ) -> Result<(), NetworkError> {
        let record = self.state().find(endpoint.network.as_str())?.record.clone();
        let Some(bridge) = record.bridge.as_deref() else {
            return Ok(());
        };
        let name = names::veth(self.config.engine, &endpoint.id);
        let mut socket = lock(&self.route);
        let master = route::link(&mut socket, bridge).map_err(NetworkError::Links)?;
        let port = route::link(&mut socket, &name).map_err(NetworkError::Links)?;
        match (port, master) {
            (None, _) => {
                drop(socket);
                return self.remake_links(&record, endpoint, recovery);
            }
            (Some(port), Some(master)) if port.master != Some(master.index) => {
                let messages = [
                    route::set_master(port.index, master.index),
                    route::set_up(port.index),
                ];
                socket.request(&messages).map_err(NetworkError::Links)?;
                self.settle_port(&mut socket, &record, endpoint)?;
                drop(socket);
                self.wait_until_operational(&name, bridge)?;
                recovery.repaired.push(format!(
                    "put container {} back on bridge {bridge}",
                    endpoint.container_name
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn remake_links(
        &self,
        record: &NetworkRecord,
        endpoint: &Endpoint,
        recovery: &mut Recovery,
    ) -> Result<(), NetworkError> {
        let name = &endpoint.container_name;
        // A namespace that is gone went with its processes: the container's exit is on its way.
        let Ok(sandbox) = namespace::open(&self.sandbox_path(&endpoint.container)) else {
            recovery
                .warnings
                .push(format!("container {name} has lost its network namespace"));
            return Ok(());
        };
        self.make_links(record, endpoint, &sandbox)?;
        recovery.repaired.push(format!(
            "connected container {name} to network {} again",
            record.name
        ));
        Ok(())
    }

    fn restore_firewall(&self, recovery: &mut Recovery) -> Result<(), NetworkError> {
        if !self.config.firewall {
            return Ok(());
        }
        let table = names::table(self.config.engine);
        let present = {
            let mut socket = lock(&self.netfilter);
            recovery
                .warnings
                .extend(open::foreign_drops(&mut socket, &table)?);
            nft::table_exists(&mut socket, Family::Ipv4, &table).map_err(NetworkError::Firewall)?
        };
        self.rebuild_firewall()?;
        if !present {
            recovery
                .repaired
                .push(format!("wrote nftables table {table} again"));
        }
        Ok(())
    }

    /// `leaving` is in the teardown queue already.
    fn sweep(
        &self,
        live: &BTreeSet<ContainerId>,
        leaving: &Leaving,
        recovery: &mut Recovery,
    ) -> Result<(), NetworkError> {
        let engine = self.config.engine;
        let mut known = leaving.veths.clone();
        known.extend(
            self.all_endpoints()
                .iter()
                .map(|e| names::veth(engine, &e.id)),
        );
        let mut containers: BTreeSet<_> = self.state().containers.keys().cloned().collect();
        let lost = live
            .difference(&containers)
            .find(|c| self.sandbox_path(c).exists());
        if let Some(container) = lost {
            let warning = format!(
                "the network record of running container {container} is lost: veths are not swept"
            );
            recovery.warnings.push(warning);
        } else {
            let links = route::links(&mut lock(&self.route)).map_err(NetworkError::Links)?;
            known.extend(self.bridges());
            let orphans = links.into_iter().map(|l| l.name).filter(|name| {
                names::is_veth_of(engine, name)
                    || names::is_network_bridge_of(engine, name)
                    || names::is_network_parent_of(engine, name)
            });
            for name in orphans.filter(|name| !known.contains(name)) {
                recovery
                    .swept
                    .push(format!("deleted {name}, which belongs to nothing"));
                self.condemn_links(&name)?;
                self.teardown.push(Job {
                    links: true,
                    namespace: None,
                });
            }
        }
        containers.extend(live.iter().chain(&leaving.containers).cloned());
        self.sweep_namespaces(&containers, recovery)
    }

    fn sweep_namespaces(
        &self,
        in_use: &BTreeSet<ContainerId>,
        recovery: &mut Recovery,
    ) -> Result<(), NetworkError> {
        let folder = &self.config.netns_dir;
        let failed = |source| NetworkError::File {
            step: "list",
            path: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let container = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if container.is_none_or(|id: ContainerId| !in_use.contains(&id)) {
                let path = entry.path();
                recovery
                    .swept
                    .push(format!("removed network namespace {}", path.display()));
                self.teardown.push(Job {
                    links: false,
                    namespace: Some(path),
                });
            }
        }
        Ok(())
    }
}
