//! Published ports of a container that runs: some are taken away, others added, or nothing happens.
//!
//! What is taken away stays the container's in the books until the caller keeps the change, so that it
//! can be put back whatever others do meanwhile.

use gantry_ids::ContainerId;
use gantry_netlink::conntrack::{self, Forgotten};

use super::connect::{host_port, is_exact};
use super::{Networks, lock};
use crate::endpoint::Endpoint;
use crate::error::NetworkError;
use crate::firewall;
use crate::port::{PortRequest, PublishedPort};
use crate::port_book::Busy;
use crate::reservation::Reservation;
use crate::store::{Family, NetworkRecord};

/// A change that was made and that is to be kept or reverted.
#[derive(Debug)]
#[must_use = "ports that were taken away are held until the change is kept or reverted"]
pub struct PortChange {
    before: Endpoint,
    after: Endpoint,
    removed: Vec<PublishedPort>,
    added: Vec<PublishedPort>,
    /// Of ports that were taken away and not added again.
    sockets: Reservation,
}

impl Networks {
    /// Takes published ports away from a container that runs and adds others, in one step of the kernel's.
    /// Connections to what was taken away end. Nothing happens to a container that no network leads to:
    /// it is given its ports with the first that does.
    ///
    /// # Errors
    /// A port is not to be had; then nothing has changed.
    pub fn change_ports(
        &self,
        container: &ContainerId,
        remove: &[PublishedPort],
        add: &[PortRequest],
    ) -> Result<Option<PortChange>, NetworkError> {
        let Some((before, network)) = self.publisher_of(container) else {
            return Ok(None);
        };
        let (removed, kept): (Vec<_>, Vec<_>) = before
            .ports
            .iter()
            .cloned()
            .partition(|p| remove.contains(p));
        let mut after = Endpoint {
            ports: kept,
            ..before.clone()
        };
        let (added, fresh) = self.reserve_more(&network, &after, &removed, add)?;
        after.ports.extend(added.iter().cloned());
        let gone: Vec<_> = removed
            .iter()
            .filter(|port| !after.ports.iter().any(|p| p.same_on_host(port)))
            .cloned()
            .collect();
        let sockets = self.exchange(&after, &gone, fresh);
        let change = PortChange {
            before,
            after,
            removed,
            added,
            sockets,
        };
        if let Err(error) = self.switch(&change.before, &change.after) {
            self.revert_ports(change);
            return Err(error);
        }
        Ok(Some(change))
    }

    /// What was taken away is free for others.
    pub fn keep_ports(&self, change: PortChange) {
        self.state().ports.release(&change.removed);
        drop(change.sockets);
    }

    /// Puts everything back as it was.
    pub fn revert_ports(&self, change: PortChange) {
        let new: Vec<_> = change
            .added
            .iter()
            .filter(|port| !change.before.ports.iter().any(|p| p.same_on_host(port)))
            .cloned()
            .collect();
        let theirs = self.exchange(&change.before, &new, change.sockets);
        if let Err(error) = self.switch(&change.after, &change.before) {
            tracing::error!(error = %gantry_errors::chain(&error), "published ports are not as they were before a failed change");
        }
        self.state().ports.release(&change.added);
        drop(theirs);
    }

    /// The endpoint that has a container's ports, or would have them.
    fn publisher_of(&self, container: &ContainerId) -> Option<(Endpoint, NetworkRecord)> {
        let state = self.state();
        let endpoint = state.leader(container)?;
        let network = state
            .networks
            .iter()
            .find(|n| n.record.id == endpoint.network)?;
        Some((endpoint, network.record.clone()))
    }

    /// Takes further ports, as if those that are `leaving` were free: in the books, and from the host's
    /// processes where none of them holds the port already.
    fn reserve_more(
        &self,
        network: &NetworkRecord,
        endpoint: &Endpoint,
        leaving: &[PublishedPort],
        add: &[PortRequest],
    ) -> Result<(Vec<PublishedPort>, Reservation), NetworkError> {
        let mut busy = Busy::new();
        loop {
            let wanted = self.wanted(network, endpoint, add, endpoint.ports.len());
            let allocated = self
                .state()
                .ports
                .allocate_beside(&wanted.on_host, leaving, &busy);
            let ports = wanted.settled(endpoint, allocated)?;
            let is_new = |port: &&PublishedPort| !leaving.iter().any(|p| p.same_on_host(port));
            let bound: Vec<_> = ports
                .iter()
                .filter(is_new)
                .filter(|_| self.config.firewall)
                .cloned()
                .collect();
            match Reservation::bind(&bound) {
                Ok(reservation) => return Ok((ports, reservation)),
                Err(refused) => {
                    self.state().ports.release(&ports);
                    busy.insert((refused.port.protocol, refused.port.host_port));
                    if is_exact(add, &refused.port) {
                        return Err(host_port(endpoint, refused));
                    }
                }
            }
        }
    }

    /// In the books: the endpoint's ports are these. Gives the sockets of what it has no more.
    fn exchange(&self, to: &Endpoint, gone: &[PublishedPort], fresh: Reservation) -> Reservation {
        let mut state = self.state();
        let held = state.containers.get_mut(&to.container).into_iter();
        let mut held = held.flat_map(|c| &mut c.endpoints);
        let Some(own) = held.find(|h| h.endpoint.id == to.id) else {
            return fresh;
        };
        own.endpoint.ports.clone_from(&to.ports);
        let sockets = own.ports.split_off(gone);
        own.ports.extend(fresh);
        sockets
    }

    /// Record first, then the kernel.
    fn switch(&self, from: &Endpoint, to: &Endpoint) -> Result<(), NetworkError> {
        self.write_record(&to.container)?;
        let gone: Vec<_> = from
            .ports
            .iter()
            .filter(|port| !to.ports.contains(port))
            .collect();
        self.relay.forget(gone.iter().copied());
        self.relay(to);
        if !self.config.firewall {
            return Ok(());
        }
        let publication = |endpoint: &Endpoint| self.state().publication(endpoint);
        let (old, new) = (publication(from), publication(to));
        let batch = firewall::republish(self.config.engine, old.as_slice(), new.as_slice());
        let changed = batch.commit(&mut lock(&self.netfilter));
        // Somebody flushed our table: say it whole.
        if changed.is_err() {
            self.rebuild_firewall()?;
        }
        self.forget_led_to(to, &gone);
        Ok(())
    }

    /// Connections that came by these ports end. A kernel that cannot filter here refuses; then they end
    /// when their clients do.
    fn forget_led_to(&self, endpoint: &Endpoint, ports: &[&PublishedPort]) {
        let gone: Vec<_> = ports
            .iter()
            .filter_map(|port| {
                let address = endpoint.address(Family::of(port.host_ip))?;
                let number = match port.host_port {
                    0 => port.container_port,
                    on_host => on_host,
                };
                let protocol = firewall::protocol_number(port.protocol);
                Some(Forgotten::LedTo {
                    address,
                    protocol,
                    host_port: number,
                })
            })
            .collect();
        if !gone.is_empty()
            && let Err(error) = conntrack::forget(&mut lock(&self.netfilter), &gone)
        {
            tracing::debug!(error = %gantry_errors::chain(&error), "connections end when their clients do");
        }
    }
}
