//! A container on several networks: which of them leads out. That endpoint has the default route and
//! holds the published ports; both follow it when networks are joined and left while the container runs.

use std::os::fd::OwnedFd;

use gantry_ids::ContainerId;
use gantry_netlink::{Protocol, Socket, route};

use super::{Held, Networks, State};
use crate::endpoint::{Endpoint, leading_out, leading_out_by};
use crate::error::NetworkError;
use crate::namespace;
use crate::store::Family;

impl State {
    fn held(&self, container: &ContainerId) -> &[Held] {
        self.containers
            .get(container)
            .map(|c| c.endpoints.as_slice())
            .unwrap_or_default()
    }

    /// The endpoint that holds the published ports: of those that lead out the foremost whose packets pass
    /// the host. One on a device of the host's cannot be reached through it.
    pub(super) fn leader(&self, container: &ContainerId) -> Option<Endpoint> {
        let passes_the_host = |endpoint: &&Endpoint| {
            let network = self
                .networks
                .iter()
                .find(|n| n.record.id == endpoint.network);
            network.is_some_and(|n| n.record.bridge.is_some())
        };
        let endpoints = self.held(container).iter().map(|h| &h.endpoint);
        leading_out(endpoints.filter(passes_the_host)).cloned()
    }

    fn leaders(&self, container: &ContainerId) -> Vec<(Family, Endpoint)> {
        let endpoints = || self.held(container).iter().map(|h| &h.endpoint);
        let leader = |family| Some((family, leading_out_by(family, endpoints())?.clone()));
        Family::BOTH.into_iter().filter_map(leader).collect()
    }
}

impl Networks {
    /// An endpoint as it is now.
    pub(super) fn endpoint(&self, endpoint: &Endpoint) -> Option<Endpoint> {
        let state = self.state();
        let held = state.held(&endpoint.container);
        let same = held.iter().find(|h| h.endpoint.id == endpoint.id);
        same.map(|h| h.endpoint.clone())
    }

    /// The endpoints that lead out, by family.
    pub(super) fn leaders(&self, container: &ContainerId) -> Vec<(Family, Endpoint)> {
        self.state().leaders(container)
    }

    /// Sends what is for elsewhere through the endpoint that leads out, if there is one.
    fn lead_out(&self, container: &ContainerId, namespace: &OwnedFd) -> Result<(), NetworkError> {
        let leaders = self.leaders(container);
        let path = self.sandbox_path(container);
        namespace::enter(namespace, &path, || route_through(&leaders))
    }

    /// Gives the published ports to the endpoint that leads out, where another one has them.
    pub(super) fn move_ports(&self, container: &ContainerId) -> Result<(), NetworkError> {
        let Some((from, to)) = self.take_over_ports(container) else {
            return Ok(());
        };
        self.write_record(container)?;
        self.unpublish(&[&from]);
        self.publish(&to)
    }

    /// In the books: the endpoint that had the ports, as it was, and that which has them now.
    fn take_over_ports(&self, container: &ContainerId) -> Option<(Endpoint, Endpoint)> {
        let mut state = self.state();
        let leader = state.leader(container)?;
        let held = &mut state.containers.get_mut(container)?.endpoints;
        let from = held
            .iter()
            .position(|h| !h.endpoint.ports.is_empty() && h.endpoint.id != leader.id)?;
        let was = held[from].endpoint.clone();
        let ports = std::mem::take(&mut held[from].endpoint.ports);
        let sockets = std::mem::take(&mut held[from].ports);
        let to = held.iter_mut().find(|h| h.endpoint.id == leader.id)?;
        to.endpoint.ports.extend(ports);
        to.ports.extend(sockets);
        Some((was, to.endpoint.clone()))
    }

    /// After `leaving` left a container that lives on: its ports go to whoever leads out now, the
    /// rest is free.
    pub(super) fn hand_on(
        &self,
        container: &ContainerId,
        leaving: Vec<Held>,
    ) -> Result<(), NetworkError> {
        let mut freed = Vec::new();
        let mut inherited = false;
        for mut held in leaving {
            if self.inherit_ports(container, &mut held) {
                inherited = true;
            }
            freed.push(held.endpoint);
        }
        self.free(&freed.iter().collect::<Vec<_>>());
        let leader = self.state().leader(container);
        if let Some(leader) = leader.filter(|_| inherited) {
            self.write_record(container)?;
            self.publish(&leader)?;
        }
        let path = self.sandbox_path(container);
        self.lead_out(container, &namespace::open(&path)?)
    }

    fn inherit_ports(&self, container: &ContainerId, leaving: &mut Held) -> bool {
        let mut state = self.state();
        let Some(leader) = state.leader(container) else {
            return false;
        };
        let heir = state
            .containers
            .get_mut(container)
            .and_then(|c| c.endpoints.iter_mut().find(|h| h.endpoint.id == leader.id));
        let Some(heir) = heir.filter(|_| !leaving.endpoint.ports.is_empty()) else {
            return false;
        };
        heir.endpoint.ports.append(&mut leaving.endpoint.ports);
        heir.ports.extend(std::mem::take(&mut leaving.ports));
        true
    }
}

/// Runs in the container's namespace; nothing to do for an interface that is not there.
pub(super) fn route_through(leaders: &[(Family, Endpoint)]) -> Result<(), NetworkError> {
    let mut socket = Socket::open(Protocol::Route).map_err(NetworkError::Links)?;
    for (family, leader) in leaders {
        let (Some(interface), Some(own)) = (leader.interface.as_deref(), leader.address(*family))
        else {
            continue;
        };
        let Some(link) = route::link(&mut socket, interface).map_err(NetworkError::Links)? else {
            continue;
        };
        let route = match leader.gateway(*family) {
            Some(gateway) => route::replace_default_route(gateway, link.index),
            None => route::replace_default_route_on_link(own, link.index),
        };
        socket.request(&[route]).map_err(NetworkError::Links)?;
    }
    Ok(())
}
