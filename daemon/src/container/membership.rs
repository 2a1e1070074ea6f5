//! Joining and leaving networks, of a container that runs and of one that does not; and the name
//! server of a container on networks of one's own, which its shim is.

use std::collections::BTreeSet;
use std::sync::Arc;

use gantry_engine_api::network::EndpointSettings;
use gantry_errors::chain;
use gantry_network::{Endpoint, NetworkError, NetworkInfo};
use tokio::sync::oneshot;

use super::{
    actor::{Actor, Command},
    create::blocking,
    endpoints,
    error::ContainerError,
    files::Files,
    model::Record,
    registry::{Containers, Parts},
    spec::namespaces::{Mode, mode},
    state::Life,
};
use crate::runtime::keeper::{self, KeeperError};

/// A network and how it is to be joined.
#[derive(Debug)]
pub(super) struct Join {
    network: NetworkInfo,
    settings: EndpointSettings,
}

impl Containers {
    /// Connects a container to a network; one that does not run joins it at its next start.
    ///
    /// # Errors
    /// There is no such container or network, they do not go together, an address is taken.
    pub async fn connect(
        &self,
        reference: &str,
        network: &str,
        settings: EndpointSettings,
    ) -> Result<(), ContainerError> {
        let network = self.parts.networks.inspect(network)?;
        let handle = self.find(reference)?;
        let join = Box::new(Join { network, settings });
        handle.call(|reply| Command::Connect { join, reply }).await
    }

    /// Takes a container out of a network.
    ///
    /// # Errors
    /// There is no such container or network, or the one is not in the other.
    pub async fn disconnect(
        &self,
        reference: &str,
        network: &str,
        force: bool,
    ) -> Result<(), ContainerError> {
        let handle = match self.find(reference) {
            Err(_) if force => {
                self.parts.networks.inspect(network)?;
                let text = format!("endpoint {reference} not found");
                return Err(ContainerError::NotFound(text));
            }
            found => found?,
        };
        // A stopped container can leave a network that is gone.
        let network = match self.parts.networks.inspect(network) {
            Ok(found) => found.name,
            Err(_) if handle.record().endpoints.contains_key(network) => network.to_owned(),
            Err(error) => return Err(error.into()),
        };
        let leave = |reply: oneshot::Sender<_>| Command::Disconnect { network, reply };
        handle.call(leave).await
    }
}

fn invalid<T>(text: &str) -> Result<T, ContainerError> {
    Err(ContainerError::Invalid(text.to_owned()))
}

/// Whether a container of this mode can be on this network beside the others.
fn check_modes(record: &Record, network: &str) -> Result<(), ContainerError> {
    const PRIVATE: &str = "container cannot be connected to multiple networks with one of the networks in private (none) mode";
    match mode(&record.host.network_mode) {
        Mode::Host | Mode::Container(_) => invalid(
            "container sharing network namespace with another container or host cannot be connected to any other network",
        ),
        _ if network == "host" => invalid(
            "cannot connect container to host network - container must be created in host network mode",
        ),
        _ if network == "none" || record.endpoints.contains_key("none") => invalid(PRIVATE),
        Mode::Default | Mode::Word(_) => Ok(()),
    }
}

impl Actor {
    /// `docker network connect`.
    pub(super) async fn connect(&mut self, join: Join) -> Result<(), ContainerError> {
        let Join { network, settings } = join;
        self.check_alive()?;
        check_modes(&self.record, &network.name)?;
        endpoints::check(&network, &settings)?;
        let before = Arc::clone(&self.record);
        let mut after = Record::clone(&before);
        let settings = Box::new(settings);
        after.endpoints.insert(network.name.clone(), settings);
        if self.record.life.has_process() {
            self.join(&before, &after, &network.name).await?;
        }
        let joined = after.endpoints;
        let written = self.persist(|record| record.endpoints = joined).await;
        if written.is_err() && self.record.life.has_process() {
            drop(self.leave(&network.name).await);
        }
        written?;
        self.publish();
        Ok(())
    }

    async fn join(
        &self,
        before: &Record,
        after: &Record,
        network: &str,
    ) -> Result<(), ContainerError> {
        let parts = self.parts();
        let (before, record, network) = (before.clone(), after.clone(), network.to_owned());
        let joined = blocking(move || {
            let settings = record.endpoints.get(&network).cloned().unwrap_or_default();
            let endpoint = endpoints::connect(&parts, &record, &network, &settings)?;
            parts.announce_network("connect", &endpoint);
            let files = Files::beneath(&parts.dir(&record.id));
            for endpoint in endpoint_in(&parts, &record, &network) {
                files.join_hosts(&record, &endpoint.addresses())?;
            }
            files.refresh_resolver(&before, &record, &parts)
        });
        joined.await.map_err(|error| match error {
            // Said of a start only.
            ContainerError::Connect(error) => ContainerError::Network(error),
            other => other,
        })?;
        serve_names(&self.all.parts, after).await;
        Ok(())
    }

    /// `docker network disconnect`.
    pub(super) async fn disconnect(&mut self, network: &str) -> Result<(), ContainerError> {
        self.check_alive()?;
        if network == "host" && mode(&self.record.host.network_mode) == Mode::Host {
            return invalid(
                "cannot disconnect container from host network - container was created in host network mode",
            );
        }
        if self.record.life.has_process() {
            self.leave(network).await?;
        } else if !self.record.endpoints.contains_key(network) {
            let id = &self.record.id;
            return Err(ContainerError::InvalidInternal(format!(
                "container {id} is not connected to the network {network}"
            )));
        }
        self.persist(|record| drop(record.endpoints.remove(network)))
            .await?;
        self.publish();
        Ok(())
    }

    async fn leave(&self, network: &str) -> Result<(), ContainerError> {
        let parts = self.parts();
        let (record, network) = (Arc::clone(&self.record), network.to_owned());
        blocking(move || {
            let left = endpoint_in(&parts, &record, &network);
            parts.networks.disconnect(&record.id, &network)?;
            let files = Files::beneath(&parts.dir(&record.id));
            for endpoint in left {
                parts.announce_network("disconnect", &endpoint);
                files.leave_hosts(&endpoint.addresses())?;
            }
            Ok(())
        })
        .await
    }

    fn check_alive(&self) -> Result<(), ContainerError> {
        match self.record.life {
            Life::Removing | Life::Dead => Err(ContainerError::Conflict(format!(
                "Container {} is marked for removal and cannot be connected or disconnected to the network",
                self.record.id
            ))),
            _ => Ok(()),
        }
    }
}

fn endpoint_in(parts: &Parts, record: &Record, network: &str) -> Vec<Endpoint> {
    let mut endpoints = parts.networks.endpoints(&record.id);
    endpoints.retain(|endpoint| endpoint.network_name == network);
    endpoints
}

/// Ends what the engine's death cut short between a container that runs and its record: a network that it was joining
/// is left again, for nobody was told that it is in it; one that it has left is taken out of the record.
pub(super) async fn settle(parts: &Arc<Parts>, record: &mut Record) {
    if matches!(
        mode(&record.host.network_mode),
        Mode::Host | Mode::Container(_)
    ) {
        return;
    }
    let (held, id) = (parts.networks.endpoints(&record.id), record.id.clone());
    let holds = |name: &str| held.iter().any(|endpoint| endpoint.network_name == name);
    record.endpoints.retain(|name, _| {
        // Nobody has a place in the network that is none.
        let stays = name == "none" || holds(&endpoints::canonical(parts, name));
        if !stays {
            tracing::info!(container.id = %id, network = name, "a container had left a network");
        }
        stays
    });
    let own = record.endpoints.keys();
    let own: BTreeSet<_> = own.map(|name| endpoints::canonical(parts, name)).collect();
    let foreign = held.into_iter();
    let foreign = foreign.filter(|endpoint| !own.contains(&endpoint.network_name));
    for endpoint in foreign {
        let (all, container) = (Arc::clone(parts), id.clone());
        let network = endpoint.network_name.clone();
        let left = blocking(move || {
            all.networks
                .disconnect(&container, &endpoint.network_name)?;
            Files::beneath(&all.dir(&container)).leave_hosts(&endpoint.addresses())
        });
        match left.await {
            Ok(()) => {
                tracing::info!(container.id = %id, network, "a network that was being joined is left");
            }
            Err(error) => {
                let error = chain(&error).to_string();
                tracing::error!(container.id = %id, network, error, "a network is not left");
            }
        }
    }
}

/// Why a container has no name server.
#[derive(Debug, thiserror::Error)]
enum NamesError {
    #[error("open the sockets of its name server")]
    Open(#[source] NetworkError),
    #[error("hand them to its shim")]
    HandOver(#[source] KeeperError),
    #[error("note that they are served")]
    Note(#[source] NetworkError),
}

/// Has the container's shim, which must be there, serve names, if it is to and does not yet. A shim
/// that cannot (another program's) leaves the container without names, which is told in the log.
pub(super) async fn serve_names(parts: &Arc<Parts>, record: &Record) {
    if !endpoints::has_names(record) {
        return;
    }
    let (all, id) = (Arc::clone(parts), record.id.clone());
    let served = blocking(move || {
        Ok((|| {
            let sockets = all.networks.open_names(&id).map_err(NamesError::Open)?;
            let Some(sockets) = sockets else {
                return Ok(());
            };
            keeper::serve_names(&all.io_socket(&id), &sockets).map_err(NamesError::HandOver)?;
            all.networks.names_are_served(&id).map_err(NamesError::Note)
        })())
    });
    if let Ok(Err(error)) = served.await {
        let error = chain(&error).to_string();
        tracing::error!(container.id = %record.id, error, "a container has no name server");
    }
}
