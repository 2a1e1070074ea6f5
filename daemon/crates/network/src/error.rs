//! What can go wrong in this crate, and what kind of failure it is for a caller of the API.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use crate::port::Protocol;
use crate::store::StoreError;

/// How an edge should answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be meant (HTTP 400).
    InvalidArgument,
    /// No such network or endpoint (404).
    NotFound,
    /// Refused by a rule, such as removing a predefined network (403).
    Forbidden,
    /// Taken already (409, or 500 where dockerd says 500).
    Conflict,
    /// Not built (501).
    Unimplemented,
    /// The host or the kernel refused (500).
    Internal,
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
    /// `connect` before `create_sandbox`.
    #[error("container {0} has no network namespace")]
    NoSandbox(String),
    /// `disconnect` of what is not connected.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// Container id.
        container: String,
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
    /// The subnet is full.
    #[error("no available IPv4 addresses on this network's address pools: {name} ({id})")]
    NoAddressLeft {
        /// Network name.
        name: String,
        /// Network id.
        id: String,
    },
    /// The wanted address is leased or reserved.
    #[error("Address already in use")]
    AddressInUse(Ipv4Addr),
    /// Every pool collides with another network or with a route of the host.
    #[error("all predefined address pools have been fully subnetted")]
    PoolsExhausted,
    /// Another container publishes the port.
    #[error(
        "driver failed programming external connectivity on endpoint {container_name} ({endpoint}): Bind for {address}:{port} failed: port is already allocated"
    )]
    PortAllocated {
        /// Container name.
        container_name: String,
        /// Endpoint id.
        endpoint: String,
        /// Host address.
        address: Ipv4Addr,
        /// Host port.
        port: u16,
    },
    /// A process of the host has the port.
    #[error(
        "driver failed programming external connectivity on endpoint {container_name} ({endpoint}): failed to bind host port for {address}:{port}:{container_ip}:{container_port}/{protocol}"
    )]
    HostPort {
        /// Container name.
        container_name: String,
        /// Endpoint id.
        endpoint: String,
        /// Host address.
        address: Ipv4Addr,
        /// Host port.
        port: u16,
        /// Container address.
        container_ip: Ipv4Addr,
        /// Container port.
        container_port: u16,
        /// Transport protocol.
        protocol: Protocol,
        /// Why the bind failed.
        source: io::Error,
    },
    /// No free port in the range.
    #[error(
        "driver failed programming external connectivity on endpoint {container_name} ({endpoint}): all ports are allocated"
    )]
    NoPortLeft {
        /// Container name.
        container_name: String,
        /// Endpoint id.
        endpoint: String,
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
    /// A record or lock file could not be read or written.
    #[error("{step} {path}")]
    File {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A network definition could not be kept.
    #[error("network definitions")]
    Store(#[from] StoreError),
    /// Part of a later step.
    #[error("{0} is not implemented yet")]
    Unimplemented(&'static str),
}

impl NetworkError {
    /// How an edge should answer.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchNetwork(_) => ErrorKind::NotFound,
            Self::AmbiguousNetwork(..) | Self::AddressNeedsUserSubnet => ErrorKind::InvalidArgument,
            Self::NotConnected { .. } | Self::AlreadyConnected { .. } => ErrorKind::Forbidden,
            Self::AddressInUse(_) => ErrorKind::Conflict,
            Self::Unimplemented(_) => ErrorKind::Unimplemented,
            Self::NoSandbox(_)
            | Self::NoAddressLeft { .. }
            | Self::PoolsExhausted
            | Self::PortAllocated { .. }
            | Self::HostPort { .. }
            | Self::NoPortLeft { .. }
            | Self::Namespace { .. }
            | Self::File { .. }
            | Self::Store(_) => ErrorKind::Internal,
        }
    }
}
