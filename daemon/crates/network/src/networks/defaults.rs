//! The three networks that are always there: `bridge`, `host`, `none`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use gantry_ids::NetworkId;
use gantry_netlink::{Socket, route};
use ipnet::Ipv4Net;

use crate::bridge;
use crate::config::{AddressPool, BridgeChoice, NetworkConfig};
use crate::definition::keys;
use crate::error::NetworkError;
use crate::names;
use crate::store::{self, NetworkRecord, NetworkStore};
use crate::subnet::{self, MachineLock};

/// Name of the default network, and of the driver of bridge networks.
pub(super) const BRIDGE: &str = "bridge";
const HOST: &str = "host";
const NONE: &str = "none";

/// All definitions, the default ones made or brought up to date with the configuration. `in_use`
/// tells whether containers have addresses of the default bridge, which then stays as it is.
pub(super) fn ensure(
    config: &NetworkConfig,
    kept: &dyn NetworkStore,
    socket: &mut Socket,
    in_use: bool,
) -> Result<Vec<NetworkRecord>, NetworkError> {
    let mut records = kept.load()?;
    for (name, driver) in [(HOST, "host"), (NONE, "null")] {
        if !records.iter().any(|r| r.name == name) {
            let record = new_record(name, driver);
            kept.put(&record)?;
            records.push(record);
        }
    }
    let stored = records
        .iter()
        .position(|r| r.name == BRIDGE)
        .map(|index| records.swap_remove(index));
    if config.bridge != BridgeChoice::Disabled {
        let record = default_bridge(config, stored.clone(), socket, in_use)?;
        if stored.as_ref() != Some(&record) {
            kept.put(&record)?;
        }
        records.push(record);
    }
    Ok(records)
}

fn new_record(name: &str, driver: &str) -> NetworkRecord {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    NetworkRecord {
        v: store::VERSION,
        id: NetworkId::generate(),
        name: name.to_owned(),
        driver: driver.to_owned(),
        created_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        bridge: None,
        subnet: None,
        user_subnet: false,
        ip_range: None,
        gateway: None,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        internal: false,
        attachable: false,
        reserved: BTreeMap::new(),
        ipam_options: None,
        parent: None,
        foreign_bridge: false,
    }
}

/// The definition of `bridge`, with its device made and its settings written.
fn default_bridge(
    config: &NetworkConfig,
    stored: Option<NetworkRecord>,
    socket: &mut Socket,
    in_use: bool,
) -> Result<NetworkRecord, NetworkError> {
    let mut record = stored.unwrap_or_else(|| new_record(BRIDGE, BRIDGE));
    let (name, address) = match &config.bridge {
        BridgeChoice::Existing(name) => (name.clone(), bridge::existing(socket, name)?.1),
        BridgeChoice::Own | BridgeChoice::Disabled => {
            let name = names::bridge(config.engine);
            let _lock = MachineLock::acquire(&config.lock_file)?;
            let address = own_address(config, &name, record.subnet, socket, in_use)?;
            let wanted = bridge::Wanted {
                name: &name,
                address,
                host_address: true,
                mtu: config.mtu,
            };
            bridge::ensure(socket, &wanted)?;
            (name, address)
        }
    };
    if let Some(range) = config.fixed_cidr
        && !address.contains(&range)
    {
        return Err(NetworkError::BadBridge(format!(
            "--fixed-cidr {range} is not within {}",
            address.trunc()
        )));
    }
    record.options = options(config, &name);
    record.foreign_bridge = matches!(config.bridge, BridgeChoice::Existing(_));
    record.bridge = Some(name);
    record.subnet = Some(address);
    record.ip_range = config.fixed_cidr;
    record.gateway = config.default_gateway;
    Ok(record)
}

/// As dockerd shows them.
fn options(config: &NetworkConfig, bridge: &str) -> BTreeMap<String, String> {
    let option = |name: &str, value: String| (name.to_owned(), value);
    BTreeMap::from([
        option(
            "com.docker.network.bridge.default_bridge",
            "true".to_owned(),
        ),
        option(keys::ICC, config.icc.to_string()),
        option(keys::MASQUERADE, config.ip_masq.to_string()),
        option(keys::HOST_BINDING, config.default_binding.to_string()),
        option(keys::NAME, bridge.to_owned()),
        option(keys::MTU, config.mtu.to_string()),
    ])
}

/// The address of the engine's own bridge: what the flag says, else what it had, else a free one.
fn own_address(
    config: &NetworkConfig,
    name: &str,
    stored: Option<Ipv4Net>,
    socket: &mut Socket,
    in_use: bool,
) -> Result<Ipv4Net, NetworkError> {
    let own = route::link(socket, name)
        .map_err(NetworkError::Links)?
        .map(|l| l.index);
    let taken = bridge::routed_networks(socket, own)?;
    let collision = |net: Ipv4Net| taken.iter().find(|t| subnet::overlap(**t, net)).copied();
    if let Some(stored) = stored.filter(|_| in_use) {
        return Ok(stored);
    }
    if let Some(wanted) = config.bip {
        return match collision(wanted) {
            Some(route) => Err(NetworkError::SubnetTaken {
                subnet: wanted.trunc(),
                route,
            }),
            None => Ok(wanted),
        };
    }
    // One that came from a --bip of an earlier start is as good as a chosen one.
    if let Some(stored) = stored.filter(|s| collision(*s).is_none()) {
        return Ok(stored);
    }
    let chosen = subnet::choose(&pools(config), &taken).ok_or(NetworkError::PoolsExhausted)?;
    let first = Ipv4Addr::from(u32::from(chosen.network()) + 1);
    Ok(Ipv4Net::new(first, chosen.prefix_len()).expect("a prefix length from a network"))
}

/// Where subnets that nobody asked for are cut from.
pub(super) fn pools(config: &NetworkConfig) -> Vec<AddressPool> {
    match config.address_pools.as_slice() {
        [] => subnet::default_pools(),
        given => given.to_vec(),
    }
}
