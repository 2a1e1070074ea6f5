//! Which published ports a change by `update` takes away and adds: of the definition, and of what the
//! container has now.

use std::borrow::Cow;

use gantry_engine_api::HostConfig;
use gantry_engine_api::host_config::UpdateRequest;
use gantry_engine_api::port::{PortBinding, PortMap};
use gantry_network::{HostPort, PortChange, PortRequest, PublishedPort};

use super::{
    actor::Actor,
    create::blocking,
    error::ContainerError,
    ports,
    spec::namespaces::{Mode, mode},
};

/// What is to happen, or not at all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The definition afterwards.
    bindings: PortMap,
    /// Of what the container has.
    remove: Vec<PublishedPort>,
    add: Vec<PortRequest>,
}

/// A binding of the definition and what became of it.
struct Bound {
    key: String,
    binding: PortBinding,
    request: PortRequest,
    published: Vec<PublishedPort>,
}

/// What an update asks for, if it is about ports: to be added, to be taken away.
pub(super) fn asked(request: &UpdateRequest) -> Option<(&PortMap, &PortMap)> {
    let UpdateRequest {
        publish_add: add,
        publish_rm: remove,
        ..
    } = request;
    (!add.is_empty() || !remove.is_empty()).then_some((add, remove))
}

fn invalid(text: String) -> ContainerError {
    ContainerError::Invalid(text)
}

/// Reads what is asked for against what there is.
///
/// # Errors
/// Something cannot be read, is not published, or is published already.
pub(super) fn plan(
    host: &HostConfig,
    published: &[PublishedPort],
    (add, remove): (&PortMap, &PortMap),
) -> Result<Plan, ContainerError> {
    check_mode(&host.network_mode)?;
    let mut bound = bound(host, published)?;
    let mut plan = Plan {
        remove: take_away(&mut bound, remove, host.publish_all_ports)?,
        add: put(&mut bound, add)?,
        ..Plan::default()
    };
    for Bound { key, binding, .. } in bound {
        plan.bindings.entry(key).or_default().push(binding);
    }
    Ok(plan)
}

/// A port without a binding is one on any address and number.
fn at_least_one(bindings: &[PortBinding]) -> Cow<'_, [PortBinding]> {
    if bindings.is_empty() {
        Cow::Owned(vec![PortBinding::default()])
    } else {
        Cow::Borrowed(bindings)
    }
}

/// Out of the bindings: the ports that go.
fn take_away(
    bound: &mut Vec<Bound>,
    remove: &PortMap,
    all: bool,
) -> Result<Vec<PublishedPort>, ContainerError> {
    let mut removed = Vec::new();
    for (key, wishes) in remove {
        for wish in at_least_one(wishes).iter() {
            let wanted = PortRequest::parse(key, &wish.host_ip, &wish.host_port)
                .map_err(|error| invalid(error.to_string()))?;
            let found = bound.extract_if(.., |bound| bound.is_meant_by(&wanted));
            let found: Vec<_> = found.collect();
            if found.is_empty() {
                return Err(invalid(not_published(key, wish, all)));
            }
            removed.extend(found.into_iter().flat_map(|b| b.published));
        }
    }
    Ok(removed)
}

/// Into the bindings: the ports that come.
fn put(bound: &mut Vec<Bound>, add: &PortMap) -> Result<Vec<PortRequest>, ContainerError> {
    let mut added = Vec::new();
    for (key, bindings) in add {
        for binding in at_least_one(bindings).iter() {
            let request = PortRequest::parse(key, &binding.host_ip, &binding.host_port)
                .map_err(|error| invalid(error.to_string()))?;
            let is_fixed = matches!(request.host_port, HostPort::Exact(_));
            if is_fixed && bound.iter().any(|there| there.request == request) {
                return Err(ContainerError::Conflict(format!(
                    "port {key} is already published as {}",
                    shown(binding)
                )));
            }
            added.push(request.clone());
            bound.push(Bound {
                key: key.to_owned(),
                binding: binding.clone(),
                request,
                published: Vec::new(),
            });
        }
    }
    Ok(added)
}

fn check_mode(network_mode: &str) -> Result<(), ContainerError> {
    match mode(network_mode) {
        // dockerd's words for a new container.
        Mode::Container(_) => Err(invalid(
            "conflicting options: port publishing and the container type network mode".to_owned(),
        )),
        Mode::Host => Err(invalid(
            "conflicting options: port publishing and the network mode host".to_owned(),
        )),
        Mode::Default | Mode::Word(_) => Ok(()),
    }
}

/// Every binding with the ports that it was given.
fn bound(host: &HostConfig, published: &[PublishedPort]) -> Result<Vec<Bound>, ContainerError> {
    let mut left = published.to_vec();
    let mut all = Vec::new();
    for (key, bindings) in host.port_bindings.iter() {
        for binding in at_least_one(bindings).iter() {
            let request = PortRequest::parse(key, &binding.host_ip, &binding.host_port)
                .map_err(|error| invalid(error.to_string()))?;
            let first = left.iter().find(|port| was_given(&request, port));
            let number = first.map(|port| port.host_port);
            let own = left.extract_if(.., |port| {
                was_given(&request, port) && Some(port.host_port) == number
            });
            let published = own.collect();
            all.push(Bound {
                key: key.to_owned(),
                binding: binding.clone(),
                request,
                published,
            });
        }
    }
    Ok(all)
}

/// Can the port be what a request was given?
fn was_given(request: &PortRequest, port: &PublishedPort) -> bool {
    let by_number = match request.host_port {
        HostPort::Any => true,
        HostPort::Exact(number) => port.host_port == number || port.host_port == 0,
        HostPort::FirstFree { first, last } => {
            (first..=last).contains(&port.host_port) || port.host_port == 0
        }
    };
    (request.container_port, request.protocol) == (port.container_port, port.protocol)
        && request.host_ip.is_none_or(|ip| ip == port.host_ip)
        && by_number
}

impl Bound {
    /// What a wish leaves open may be anything.
    fn is_meant_by(&self, wish: &PortRequest) -> bool {
        let own = &self.request;
        let number = match wish.host_port {
            HostPort::Any => true,
            HostPort::Exact(number) => {
                own.host_port == wish.host_port
                    || self.published.iter().any(|p| p.host_port == number)
            }
            HostPort::FirstFree { .. } => own.host_port == wish.host_port,
        };
        (own.container_port, own.protocol) == (wish.container_port, wish.protocol)
            && (wish.host_ip.is_none() || wish.host_ip == own.host_ip)
            && number
    }
}

fn shown(binding: &PortBinding) -> String {
    let PortBinding {
        host_ip, host_port, ..
    } = binding;
    match (host_ip.as_str(), host_port.as_str()) {
        ("", port) => port.to_owned(),
        (ip, port) if ip.contains(':') => format!("[{ip}]:{port}"),
        (ip, port) => format!("{ip}:{port}"),
    }
}

fn not_published(key: &str, wish: &PortBinding, all: bool) -> String {
    let by = match shown(wish) {
        by if by.is_empty() => String::new(),
        by => format!(" as {by}"),
    };
    let hint = if all {
        ": ports that --publish-all publishes are not taken away one by one"
    } else {
        ""
    };
    format!("port {key} is not published{by}{hint}")
}

impl Actor {
    /// Publishes and takes away, of a container that runs; the change is to be kept or reverted.
    ///
    /// # Errors
    /// A port is not to be had; nothing has changed then.
    pub(super) async fn change_ports(
        &self,
        plan: &Plan,
    ) -> Result<Option<PortChange>, ContainerError> {
        let (parts, id) = (self.parts(), self.record.id.clone());
        let (remove, add) = (plan.remove.clone(), plan.add.clone());
        blocking(move || Ok(parts.networks.change_ports(&id, &remove, &add)?)).await
    }

    /// Ends a change: it is kept, or everything is as it was.
    pub(super) async fn settle_ports(&self, change: PortChange, keep: bool) {
        let parts = self.parts();
        let settled = blocking(move || {
            match keep {
                true => parts.networks.keep_ports(change),
                false => parts.networks.revert_ports(change),
            }
            Ok(())
        });
        settled.await.expect("it cannot fail");
    }

    /// What the container has published now.
    pub(super) fn published(&self) -> Vec<PublishedPort> {
        let endpoints = self.all.parts.networks.endpoints(&self.record.id);
        endpoints.into_iter().flat_map(|e| e.ports).collect()
    }
}

impl Plan {
    /// The definition with the change.
    pub(super) fn define(&self, host: &mut HostConfig) -> Result<(), ContainerError> {
        host.port_bindings.clone_from(&self.bindings);
        ports::check(host)
    }
}

#[cfg(test)]
mod tests;
