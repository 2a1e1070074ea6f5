//! The engine's networks as one object: what the daemon calls.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::NetworkConfig;
use crate::endpoint::{Endpoint, EndpointRequest, Sandbox};
use crate::error::NetworkError;
use crate::info::NetworkInfo;
use crate::store::NetworkStore;

/// What [`Networks::recover`] found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Endpoints of live containers that were put back, as a sentence each.
    pub repaired: Vec<String>,
    /// Left-overs that were removed, as a sentence each.
    pub swept: Vec<String>,
    /// What a user should know (a foreign firewall that drops, a port that a host process took).
    pub warnings: Vec<String>,
}

/// All networks of one engine. `Send + Sync`; every method may block for some milliseconds.
#[derive(Debug)]
pub struct Networks {
    config: NetworkConfig,
    store: Arc<dyn NetworkStore>,
}

impl Networks {
    /// Reads definitions and endpoint records, makes the default networks where they are missing,
    /// and brings bridge, forwarding and nftables table into being. Nothing of a live container is
    /// touched; call [`Networks::recover`] once it is known who lives.
    pub fn open(config: NetworkConfig, store: Arc<dyn NetworkStore>) -> Result<Self, NetworkError> {
        Ok(Self { config, store })
    }

    /// Reconciles with the containers that run (full ids): puts back what the kernel lost (bridge,
    /// table, map entries), releases endpoints and namespaces of others, and sweeps what carries this
    /// engine's id and has no record.
    pub fn recover(&self, live: &BTreeSet<String>) -> Result<Recovery, NetworkError> {
        let _ = (live, &self.config, &self.store);
        Err(NetworkError::Unimplemented("network recovery"))
    }

    /// All networks, by name.
    #[must_use]
    pub fn list(&self) -> Vec<NetworkInfo> {
        Vec::new()
    }

    /// One network by name, full id, or unambiguous id prefix.
    pub fn inspect(&self, network: &str) -> Result<NetworkInfo, NetworkError> {
        Err(NetworkError::NoSuchNetwork(network.to_owned()))
    }

    /// Makes a network namespace with its loopback up, kept by a bind mount. Takes under a
    /// millisecond; the first thing to do for a container. Makes it anew if the container had one.
    pub fn create_sandbox(&self, container: &str) -> Result<Sandbox, NetworkError> {
        let _ = container;
        Err(NetworkError::Unimplemented("network namespaces"))
    }

    /// The namespace of a container, if it has one (also for `--network container:ID`).
    #[must_use]
    pub fn sandbox(&self, container: &str) -> Option<Sandbox> {
        let _ = container;
        None
    }

    /// Connects a container's sandbox to a network and publishes its ports: one link message, one
    /// firewall transaction. All or nothing. On `none` and `host` only the membership is recorded.
    pub fn connect(&self, request: &EndpointRequest) -> Result<Endpoint, NetworkError> {
        let _ = request;
        Err(NetworkError::Unimplemented("connecting to a network"))
    }

    /// The endpoints of a container, in the order they were made.
    #[must_use]
    pub fn endpoints(&self, container: &str) -> Vec<Endpoint> {
        let _ = container;
        Vec::new()
    }

    /// Takes a container out of one network.
    pub fn disconnect(&self, container: &str, network: &str) -> Result<(), NetworkError> {
        let _ = (container, network);
        Err(NetworkError::Unimplemented("disconnecting from a network"))
    }

    /// The container has ended: its addresses and ports are free again when this returns, packets no
    /// longer reach it, and its veth and namespace follow from the teardown thread. No error if it
    /// has nothing.
    pub fn release(&self, container: &str) -> Result<(), NetworkError> {
        let _ = container;
        Err(NetworkError::Unimplemented("releasing a sandbox"))
    }

    /// The container has a new name, for `network inspect`.
    pub fn rename(&self, container: &str, name: &str) -> Result<(), NetworkError> {
        let _ = (container, name);
        Err(NetworkError::Unimplemented("renaming an endpoint"))
    }

    /// What `host-gateway` stands for: `--host-gateway-ip`, else the default bridge's address.
    #[must_use]
    pub fn host_gateway(&self) -> Option<IpAddr> {
        self.config.dns.host_gateway
    }

    /// Waits until the teardown queue is empty (tests, orderly shutdown).
    pub fn drain(&self) {}
}
