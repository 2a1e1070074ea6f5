//! What can go wrong in this crate, and what kind of failure it is for a caller of the API.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use gantry_errors::{Classify, ErrorKind};
use gantry_ids::{ContainerId, EndpointId, NetworkId};
use ipnet::IpNet;

use crate::definition::DefinitionError;
use crate::port::Protocol;
use crate::store::StoreError;

/// Whose ports could not be published; dockerd names both in its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// Container name.
    pub container_name: String,
    /// Endpoint.
    pub endpoint: EndpointId,
}

impl std::fmt::Display for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            container_name,
            endpoint,
        } = self;
        write!(
            f,
            "driver failed programming external connectivity on endpoint {container_name} ({endpoint})"
        )
    }
}

/// A failed network operation. Texts follow dockerd 28 where it has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No network of that name or id.
    #[error("network {0} not found")]
    NoSuchNetwork(String),
    /// The prefix fits several networks.
    #[error("network {0} is ambiguous ({1} matches found based on ID prefix)")]
    AmbiguousNetwork(String, usize),
    /// What was asked for cannot be meant.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A second network of that name.
    #[error("network with name {0} already exists")]
    NameTaken(String),
    /// The wanted subnet shares addresses with another network's.
    #[error("invalid pool request: Pool overlaps with other one on this address space")]
    PoolOverlap,
    /// The wanted gateway is no host's address.
    #[error("failed to allocate gateway ({0}): Address already in use")]
    GatewayTaken(IpAddr),
    /// A kept address is the gateway's, or no host's.
    #[error("failed to allocate secondary ip address ({name}:{address}): Address already in use")]
    ReservedTaken {
        /// The user's word for it.
        name: String,
        /// The address.
        address: IpAddr,
    },
    /// Another network has the wanted device.
    #[error(
        "cannot create network {network} ({bridge}): conflicts with network {other} ({bridge}): networks have same bridge name"
    )]
    BridgeTaken {
        /// The network that was to be made.
        network: NetworkId,
        /// The device.
        bridge: String,
        /// Who has it.
        other: NetworkId,
    },
    /// A network of settings only has no endpoints.
    #[error("cannot create endpoint on configuration-only network")]
    ConfigOnly,
    /// Other networks have their settings from it.
    #[error("configuration network {0:?} is in use")]
    ConfigInUse(String),
    /// `--config-from` something that is no network of settings only.
    #[error("configuration network {0:?} does not exist")]
    NoConfig(String),
    /// `bridge`, `host` and `none` are always there.
    #[error("{0} is a pre-defined network and cannot be removed")]
    PredefinedRemoval(String),
    /// Containers are connected.
    #[error("error while removing network: network {network} has active endpoints ({endpoints})")]
    ActiveEndpoints {
        /// Network name.
        network: String,
        /// `name:"web" id:"0123456789ab"`, separated by commas.
        endpoints: String,
    },
    /// `--link-local-ip` outside of 169.254.0.0/16.
    #[error("invalid link local IP address: {0}")]
    NotLinkLocal(IpAddr),
    /// `connect` before `create_sandbox`.
    #[error("container {0} has no network namespace")]
    NoSandbox(ContainerId),
    /// `disconnect` of what is not connected.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// Container.
        container: ContainerId,
        /// Network as it was asked for.
        network: String,
    },
    /// A second `connect` to the same network.
    #[error("endpoint with name {container_name} already exists in network {network}")]
    AlreadyConnected {
        /// Container name.
        container_name: String,
        /// Network name.
        network: String,
    },
    /// `--ip` on a network whose subnet no user chose.
    #[error(
        "user specified IP address is supported only when connecting to networks with user configured subnets"
    )]
    AddressNeedsUserSubnet,
    /// The wanted address is not one of the network's.
    #[error("no configured subnet or ip-range contain the IP address {0}")]
    AddressOutside(IpAddr),
    /// The subnet is full.
    #[error("no available {family} addresses on this network's address pools: {name} ({id})")]
    NoAddressLeft {
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// Network name.
        name: String,
        /// Network.
        id: NetworkId,
    },
    /// The wanted address is leased or reserved.
    #[error("Address already in use")]
    AddressInUse(IpAddr),
    /// Every pool collides with another network or with a route of the host.
    #[error("all predefined address pools have been fully subnetted")]
    PoolsExhausted,
    /// `--bip`, `--fixed-cidr` or `-b` cannot be meant.
    #[error("default bridge: {0}")]
    BadBridge(String),
    /// `--bip` collides with a route of the host.
    #[error("default bridge: {subnet} overlaps with {route}, which the host routes elsewhere")]
    SubnetTaken {
        /// Wanted.
        subnet: IpNet,
        /// What is there.
        route: IpNet,
    },
    /// Another container publishes the port.
    #[error("{publisher}: Bind for {} failed: port is already allocated", SocketAddr::new(*.address, *.port))]
    PortAllocated {
        /// For whom.
        publisher: Publisher,
        /// Host address of the publication that is there.
        address: IpAddr,
        /// Host port.
        port: u16,
    },
    /// A process of the host has the port, or the address is not the host's.
    #[error(
        "{publisher}: failed to bind host port for {}:{}/{protocol}",
        SocketAddr::new(*.address, *.port),
        SocketAddr::new(*.container_ip, *.container_port)
    )]
    HostPort {
        /// For whom.
        publisher: Publisher,
        /// Host address.
        address: IpAddr,
        /// Host port.
        port: u16,
        /// Container address.
        container_ip: IpAddr,
        /// Container port.
        container_port: u16,
        /// Transport protocol.
        protocol: Protocol,
        /// Why the bind failed.
        #[source]
        source: BindFailure,
    },
    /// No free port in the range.
    #[error("{publisher}: all ports are allocated")]
    NoPortLeft {
        /// For whom.
        publisher: Publisher,
    },
    /// A namespace could not be made, mounted or entered.
    #[error("{step} network namespace {path}")]
    Namespace {
        /// What was tried.
        step: &'static str,
        /// The bind mount.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record, lock file or kernel setting could not be read or written.
    #[error("{step} {path}")]
    File {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused a link, an address or a route.
    #[error("links")]
    Links(#[source] gantry_netlink::Error),
    /// The kernel refused a firewall change.
    #[error("firewall")]
    Firewall(#[source] gantry_netlink::Error),
    /// A network definition could not be kept.
    #[error("network definitions")]
    Store(#[from] StoreError),
}

/// Why a host port could not be taken, in Go's words, which clients know.
#[derive(Debug, thiserror::Error)]
pub enum BindFailure {
    /// EADDRINUSE.
    #[error("address already in use")]
    InUse,
    /// EADDRNOTAVAIL.
    #[error("cannot assign requested address")]
    NotLocal,
    /// Anything else.
    #[error("{0}")]
    Other(io::Error),
}

impl Classify for NetworkError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchNetwork(_) | Self::NoConfig(_) => ErrorKind::NotFound,
            Self::Definition(error) => error.kind(),
            Self::NameTaken(_) => ErrorKind::AlreadyExists,
            Self::AmbiguousNetwork(..)
            | Self::AddressNeedsUserSubnet
            | Self::AddressOutside(_)
            | Self::NotLinkLocal(_)
            | Self::BadBridge(_) => ErrorKind::InvalidArgument,
            Self::AlreadyConnected { .. }
            | Self::AddressInUse(_)
            | Self::PoolOverlap
            | Self::BridgeTaken { .. }
            | Self::PredefinedRemoval(_)
            | Self::ConfigOnly
            | Self::ConfigInUse(_)
            | Self::ActiveEndpoints { .. } => ErrorKind::PermissionDenied,
            Self::NoAddressLeft { .. } | Self::PoolsExhausted | Self::SubnetTaken { .. } => {
                ErrorKind::ResourceExhausted
            }
            Self::NoSandbox(_)
            | Self::NotConnected { .. }
            | Self::GatewayTaken(_)
            | Self::ReservedTaken { .. }
            | Self::PortAllocated { .. }
            | Self::HostPort { .. }
            | Self::NoPortLeft { .. }
            | Self::Namespace { .. }
            | Self::File { .. }
            | Self::Links(_)
            | Self::Firewall(_)
            | Self::Store(_) => ErrorKind::Internal,
        }
    }
}
