//! A container leaves: what others may have again at once, and what the teardown thread does later.

use gantry_ids::{ContainerId, NetworkId};
use gantry_netlink::conntrack::{self, Forgotten};

use super::{Held, Networks, lock};
use crate::endpoint::Endpoint;
use crate::error::NetworkError;
use crate::firewall::{self, Publication};
use crate::names;
use crate::teardown::Job;

impl Networks {
    /// Takes a container out of one network.
    pub fn disconnect(&self, container: &ContainerId, network: &str) -> Result<(), NetworkError> {
        let id = self.state().find(network)?.record.id.clone();
        if !self.endpoints(container).iter().any(|e| e.network == id) {
            return Err(NetworkError::NotConnected {
                container: container.clone(),
                network: network.to_owned(),
            });
        }
        self.detach(container, Some(&id))
    }

    /// The container has ended: its addresses and ports are free again when this returns, packets no
    /// longer reach it, and its veth and namespace follow from the teardown thread. No error if it
    /// has nothing.
    pub fn release(&self, container: &ContainerId) -> Result<(), NetworkError> {
        self.detach(container, None)
    }

    /// Takes endpoints out: that of one network, or all of them and the sandbox. The record goes
    /// first: from then on whatever is still in the kernel is to be swept.
    pub(super) fn detach(
        &self,
        container: &ContainerId,
        network: Option<&NetworkId>,
    ) -> Result<(), NetworkError> {
        let (leaving, sandbox) = self.take_out(container, network);
        let recorded = self.write_record(container);
        let endpoints: Vec<_> = leaving.iter().map(|h| &h.endpoint).collect();
        self.unpublish(&endpoints);
        self.forget_connections(&endpoints);
        let links: Vec<_> = endpoints
            .iter()
            .copied()
            .filter(|e| e.interface.is_some())
            .collect();
        let condemned = links
            .iter()
            .try_for_each(|e| self.condemn_links(&names::veth(self.config.engine, &e.id)));
        if network.is_none() {
            self.free(&endpoints);
        }
        let namespace = sandbox.then(|| self.sandbox_path(container));
        if !links.is_empty() || namespace.is_some() {
            self.teardown.push(Job {
                links: !links.is_empty(),
                namespace,
            });
        }
        self.write_names(
            &leaving
                .iter()
                .map(|h| h.endpoint.clone())
                .collect::<Vec<_>>(),
        );
        if network.is_none() {
            self.forget_names(container.as_str());
            return recorded.and(condemned);
        }
        for held in leaving.iter().filter(|h| self.is_on_device(&h.endpoint)) {
            self.delete_inside(&held.endpoint)?;
        }
        // The container lives on: its interface is gone when this returns, and another leads out.
        self.teardown.drain();
        recorded.and(condemned)?;
        self.hand_on(container, leaving)
    }

    /// Is an endpoint's link one on a device of the host's?
    fn is_on_device(&self, endpoint: &Endpoint) -> bool {
        let state = self.state();
        let network = state
            .networks
            .iter()
            .find(|n| n.record.id == endpoint.network);
        network.is_some_and(|n| n.record.parent.is_some())
    }

    /// Out of the books of containers; addresses and ports stay taken until packets are stopped.
    fn take_out(&self, container: &ContainerId, network: Option<&NetworkId>) -> (Vec<Held>, bool) {
        let mut state = self.state();
        match network {
            None => {
                let gone = state.containers.remove(container).unwrap_or_default();
                (gone.endpoints, gone.sandbox)
            }
            Some(network) => {
                let Some(attached) = state.containers.get_mut(container) else {
                    return (Vec::new(), false);
                };
                let all = std::mem::take(&mut attached.endpoints);
                let (leaving, staying) = all
                    .into_iter()
                    .partition(|h| h.endpoint.network == *network);
                attached.endpoints = staying;
                if attached.endpoints.is_empty() && !attached.sandbox {
                    state.containers.remove(container);
                }
                (leaving, false)
            }
        }
    }

    pub(super) fn unpublish(&self, endpoints: &[&Endpoint]) {
        let ports = endpoints.iter().flat_map(|e| &e.ports);
        self.relay.forget(ports);
        let published: Vec<Publication> = {
            let state = self.state();
            endpoints
                .iter()
                .filter_map(|e| state.publication(e))
                .collect()
        };
        if published.is_empty() || !self.config.firewall {
            return;
        }
        let removed = {
            let mut socket = lock(&self.netfilter);
            firewall::unpublish(self.config.engine, &published).commit(&mut socket)
        };
        // An entry that is not there (a flush, an undone connect): the whole table is put right.
        if removed.is_err()
            && let Err(error) = self.rebuild_firewall()
        {
            tracing::error!(error = %gantry_errors::chain(&error), "published ports may still lead to a container that has ended");
        }
    }

    /// Connections of an address must not reach its next owner. A kernel that cannot filter here
    /// refuses; then entries end by their timeouts.
    pub(super) fn forget_connections(&self, endpoints: &[&Endpoint]) {
        let gone: Vec<_> = endpoints
            .iter()
            .flat_map(|e| e.addresses())
            .map(|net| net.addr())
            .flat_map(|ip| [Forgotten::OpenedBy(ip), Forgotten::AnsweredBy(ip)])
            .collect();
        if !gone.is_empty()
            && let Err(error) = conntrack::forget(&mut lock(&self.netfilter), &gone)
        {
            tracing::debug!(error = %gantry_errors::chain(&error), "connections end by their timeouts");
        }
    }

    pub(super) fn free(&self, endpoints: &[&Endpoint]) {
        let mut state = self.state();
        for endpoint in endpoints {
            state.ports.release(&endpoint.ports);
            if let Some(network) = state.by_id(&endpoint.network) {
                for net in endpoint.addresses() {
                    network.release(net.addr());
                }
            }
        }
    }
}
