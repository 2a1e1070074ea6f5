//! What a `network create` asks for, read and checked in dockerd's order and words. Pure: whether a
//! name or a subnet is free is not known here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use gantry_errors::{Classify, ErrorKind};
use ipnet::IpNet;

use crate::info::is_builtin;

mod macvlan;
mod options;
mod pool;

pub(crate) use macvlan::{IpvlanOptions, MacvlanOptions, tagged};
pub(crate) use options::{BridgeOptions, GatewayMode, keys};
pub use pool::PoolError;
pub(crate) use pool::{Pool, read_pools};

/// A network as a client describes it (`POST /networks/create`), in the client's own texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkRequest {
    /// Any text that is not only white space.
    pub name: String,
    /// `bridge` if empty.
    pub driver: String,
    /// Is IPv4 wanted? It is unless a client says otherwise.
    pub ipv4: bool,
    /// Is IPv6 wanted?
    pub ipv6: bool,
    /// `--internal`.
    pub internal: bool,
    /// `--attachable`.
    pub attachable: bool,
    /// Who gives addresses; `default` if empty.
    pub ipam_driver: String,
    /// The address driver's options.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// `IPAM.Config`.
    pub subnets: Vec<SubnetRequest>,
    /// Driver options (`-o`).
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `--config-only`: it only carries settings for others.
    pub config_only: bool,
    /// `--config-from`: its settings are those of that network.
    pub config_from: Option<String>,
}

/// One entry of `IPAM.Config`; empty texts ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubnetRequest {
    /// `--subnet`.
    pub subnet: String,
    /// `--ip-range`.
    pub ip_range: String,
    /// `--gateway`.
    pub gateway: String,
    /// `--aux-address`, by name.
    pub reserved: BTreeMap<String, String>,
}

/// A network that cannot be made. The texts are dockerd's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// White space only.
    #[error("invalid name: name is empty")]
    NoName,
    /// `bridge`, `host`, `none`; the blank at the end is dockerd's.
    #[error("operation is not permitted on predefined {0} network ")]
    Predefined(String),
    /// `IPAM.Config` cannot be meant.
    #[error("invalid network config:{0}")]
    Pools(Findings<PoolError>),
    /// Neither family.
    #[error("IPv4 or IPv6 must be enabled")]
    NoFamily,
    /// A second `host` or `none`.
    #[error("only one instance of \"{0}\" network is allowed")]
    SingleInstance(String),
    /// A network driver or address driver that is not there.
    #[error("plugin \"{0}\" not found")]
    NoPlugin(String),
    /// Swarm's driver.
    #[error(
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."
    )]
    NoSwarm,
    /// The address driver `null` gives a bridge none.
    #[error("ipv4 pool is empty")]
    NoPool,
    /// A bridge has one subnet.
    #[error("bridge driver doesn't support multiple subnets")]
    ManySubnets,
    /// A driver option whose value cannot be read.
    #[error("failed to parse {key} value: {value} ({why})")]
    Option {
        /// Which option.
        key: String,
        /// What was given.
        value: String,
        /// In Go's words.
        why: String,
    },
    /// A macvlan mode that is none.
    #[error(
        "requested macvlan mode '{0}' is not valid, 'bridge' mode is the macvlan driver default"
    )]
    MacvlanMode(String),
    /// An ipvlan mode that is none.
    #[error("requested ipvlan mode '{0}' is not valid, 'l2' mode is the ipvlan driver default")]
    IpvlanMode(String),
    /// An ipvlan flag that is none.
    #[error("unknown ipvlan flag: {0}")]
    IpvlanFlag(String),
    /// A container's link cannot be on the loopback.
    #[error("loopback interface is not a valid {0} parent link")]
    LoopbackParent(&'static str),
    /// `--config-only` with what is for an operator.
    #[error(
        "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported."
    )]
    OperatorFields,
    /// `--config-only` and `--config-from`.
    #[error("a configuration network cannot depend on another configuration network")]
    NestedConfig,
    /// `--config-from` and subnets.
    #[error(
        "user specified configurations are not supported if the network depends on a configuration network"
    )]
    OwnPools,
    /// `--config-from` and driver options.
    #[error(
        "network driver options are not supported if the network depends on a configuration network"
    )]
    OwnOptions,
    /// The device that containers' links are to be made on is not there.
    #[error("invalid subinterface vlan name {0}, example formatting is eth0.10")]
    NoParent(String),
    /// Another network has the device.
    #[error("network {other} is already using parent interface {parent}")]
    ParentTaken {
        /// Its short id.
        other: String,
        /// The device.
        parent: String,
    },
    /// A network with a way out cannot be without a gateway.
    #[error("gateway mode 'isolated' can only be used for an internal network")]
    IsolatedNotInternal,
    /// An MTU below zero.
    #[error("invalid MTU number: {0}")]
    Mtu(i64),
    /// An MTU that no Ethernet device has.
    #[error("invalid argument")]
    MtuRange,
    /// A device name longer than 15 bytes.
    #[error("numerical result out of range")]
    LongBridgeName,
}

impl Classify for DefinitionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoName
            | Self::Pools(_)
            | Self::NoFamily
            | Self::NoPool
            | Self::IsolatedNotInternal
            | Self::MacvlanMode(_)
            | Self::IpvlanMode(_)
            | Self::IpvlanFlag(_)
            | Self::LoopbackParent(_)
            | Self::NoParent(_)
            | Self::Option { .. }
            | Self::Mtu(_) => ErrorKind::InvalidArgument,
            Self::Predefined(_)
            | Self::SingleInstance(_)
            | Self::NoSwarm
            | Self::OperatorFields
            | Self::NestedConfig
            | Self::OwnPools
            | Self::OwnOptions
            | Self::ManySubnets
            | Self::ParentTaken { .. } => ErrorKind::PermissionDenied,
            Self::NoPlugin(_) => ErrorKind::NotFound,
            Self::MtuRange | Self::LongBridgeName => ErrorKind::Internal,
        }
    }
}

/// Several findings in one text as Go joins them: one stands alone, more get a bullet each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings<E>(pub Vec<E>);

impl<E: fmt::Display> fmt::Display for Findings<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bullet = if self.0.len() > 1 { "* " } else { "" };
        self.0
            .iter()
            .try_for_each(|finding| write!(f, "\n{bullet}{finding}"))
    }
}

/// A network that can be made, if name, subnets and device are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The user's subnets; of a family without one, one of the engine's pools.
    pub(crate) pools: Vec<Pool>,
    pub(crate) driver: Driver,
}

/// What carries a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// A bridge of the host's.
    Bridge(BridgeOptions),
    /// A device of the host's, on which each container has a link of its own.
    Macvlan(MacvlanOptions),
    /// A device of the host's, whose Ethernet address each container shares.
    Ipvlan(IpvlanOptions),
    /// Nothing: settings for others.
    Nothing,
}

/// What can be told from the texts alone, before it is known whether the name is taken.
pub(crate) fn check_name_and_pools(request: &NetworkRequest) -> Result<Vec<Pool>, DefinitionError> {
    if request.name.trim().is_empty() {
        return Err(DefinitionError::NoName);
    }
    if is_builtin(&request.name) {
        return Err(DefinitionError::Predefined(request.name.clone()));
    }
    read_pools(&request.subnets)
}

/// The rest, for a name that is free.
pub(crate) fn define(
    request: &NetworkRequest,
    pools: Vec<Pool>,
) -> Result<Definition, DefinitionError> {
    if !request.ipv4 && !request.ipv6 {
        return Err(DefinitionError::NoFamily);
    }
    if request.config_only {
        return Ok(Definition {
            pools,
            driver: Driver::Nothing,
        });
    }
    let options = &request.options;
    let driver = match request.driver.as_str() {
        "" | "bridge" => Driver::Bridge(BridgeOptions::read(options)?),
        "macvlan" => Driver::Macvlan(MacvlanOptions::read(options)?),
        "ipvlan" => Driver::Ipvlan(IpvlanOptions::read(options)?),
        single @ ("host" | "null") => {
            return Err(DefinitionError::SingleInstance(single.to_owned()));
        }
        "overlay" => return Err(DefinitionError::NoSwarm),
        other => return Err(DefinitionError::NoPlugin(other.to_owned())),
    };
    match request.ipam_driver.as_str() {
        "" | "default" => {}
        "null" => return Err(DefinitionError::NoPool),
        other => return Err(DefinitionError::NoPlugin(other.to_owned())),
    }
    if let Driver::Bridge(options) = &driver {
        let of = |four: bool| {
            pools
                .iter()
                .filter(|p| p.subnet.addr().is_ipv4() == four)
                .count()
        };
        if of(true) > 1 || of(false) > 1 {
            return Err(DefinitionError::ManySubnets);
        }
        if !request.internal && options.isolated() {
            return Err(DefinitionError::IsolatedNotInternal);
        }
    }
    Ok(Definition { pools, driver })
}

/// What can be told of a network of settings, and of one that has its settings from another.
pub(crate) fn check_config(request: &NetworkRequest) -> Result<(), DefinitionError> {
    if request.config_only && (request.internal || request.attachable) {
        return Err(DefinitionError::OperatorFields);
    }
    match (&request.config_from, request.config_only) {
        (Some(_), true) => Err(DefinitionError::NestedConfig),
        (Some(_), false) if !request.subnets.is_empty() => Err(DefinitionError::OwnPools),
        (Some(_), false) if !request.options.is_empty() => Err(DefinitionError::OwnOptions),
        _ => Ok(()),
    }
}

/// The first address of a subnet that a host may have.
pub(crate) fn first_host(subnet: IpNet) -> IpAddr {
    let small = subnet.prefix_len() + 1 >= subnet.max_prefix_len();
    let first = subnet
        .hosts()
        .find(|host| small || *host != subnet.network());
    first.unwrap_or(subnet.network())
}

#[cfg(test)]
mod tests;
