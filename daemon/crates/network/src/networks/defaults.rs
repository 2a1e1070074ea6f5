//! The three networks that are always there: `bridge`, `host`, `none`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use gantry_ids::NetworkId;
use gantry_netlink::{Socket, route};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::bridge;
use crate::config::{AddressPool, BridgeChoice, NetworkConfig};
use crate::definition::keys;
use crate::error::NetworkError;
use crate::names;
use crate::store::{self, Family, NetworkRecord, NetworkStore, SubnetRecord};
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
        ipv4: true,
        ipv6: false,
        subnets: Vec::new(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        internal: false,
        attachable: false,
        ipam_options: None,
        parent: None,
        foreign_bridge: false,
        config_only: false,
        config_from: None,
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
    let stored = |family| {
        record
            .subnets
            .iter()
            .find(|s| Family::of(s.net.addr()) == family)
            .map(|s| s.net)
    };
    let (name, four, six) = match &config.bridge {
        BridgeChoice::Existing(name) => {
            let (_, address) = bridge::existing(socket, name)?;
            let six = ipv6_address(config, stored(Family::V6), &[])?;
            if let Some(six) = six {
                bridge::adopt(socket, name, &[six])?;
            }
            (name.clone(), address, six)
        }
        BridgeChoice::Own | BridgeChoice::Disabled => {
            let name = names::bridge(config.engine);
            let _lock = MachineLock::acquire(&config.lock_file)?;
            let own = route::link(socket, &name).map_err(NetworkError::Links)?;
            let taken = bridge::routed_networks(socket, own.map(|link| link.index))?;
            let kept = match stored(Family::V4) {
                Some(IpNet::V4(net)) => Some(net),
                _ => None,
            };
            let four = own_address(config, kept, &taken, in_use)?;
            let six = ipv6_address(config, stored(Family::V6), &taken)?;
            let addresses: Vec<_> = [Some(IpNet::V4(four)), six].into_iter().flatten().collect();
            let wanted = bridge::Wanted {
                name: &name,
                identity: four.addr().into(),
                addresses: &addresses,
                mtu: config.mtu,
            };
            if six.is_some() {
                bridge::prepare(socket, &wanted)?;
                bridge::settle_ipv6(&name)?;
            }
            bridge::ensure(socket, &wanted)?;
            (name, four, six)
        }
    };
    if let Some(range) = config.fixed_cidr
        && !four.contains(&range)
    {
        return Err(NetworkError::BadBridge(format!(
            "--fixed-cidr {range} is not within {}",
            four.trunc()
        )));
    }
    record.options = options(config, &name);
    record.foreign_bridge = matches!(config.bridge, BridgeChoice::Existing(_));
    record.bridge = Some(name);
    record.ipv6 = config.ipv6;
    record.subnets = subnets(config, four, six);
    Ok(record)
}

/// The default bridge's subnets, with what the flags say of each.
fn subnets(config: &NetworkConfig, four: Ipv4Net, six: Option<IpNet>) -> Vec<SubnetRecord> {
    let subnet = |net, ip_range, gateway| SubnetRecord {
        net,
        chosen: false,
        ip_range,
        gateway,
        reserved: BTreeMap::new(),
    };
    let four = subnet(
        four.into(),
        config.fixed_cidr.map(IpNet::V4),
        config.default_gateway.map(IpAddr::V4),
    );
    let part = config.fixed_cidr_v6.filter(|_| config.bip6.is_some());
    let gateway = config.default_gateway_v6.map(IpAddr::V6);
    let six = six.map(|net| subnet(net, part.map(IpNet::V6), gateway));
    std::iter::once(four).chain(six).collect()
}

/// The default bridge's address of IPv6, if it is to have one: what the flags say, else what it had,
/// else one of the engine's own range.
fn ipv6_address(
    config: &NetworkConfig,
    stored: Option<IpNet>,
    taken: &[IpNet],
) -> Result<Option<IpNet>, NetworkError> {
    if !config.ipv6 {
        return Ok(None);
    }
    if let Some(given) = config.bip6 {
        if let Some(part) = config.fixed_cidr_v6.filter(|part| !given.contains(part)) {
            let why = format!("--fixed-cidr-v6 {part} is not within {}", given.trunc());
            return Err(NetworkError::BadBridge(why));
        }
        return Ok(Some(given.into()));
    }
    let first = |net: Ipv6Net| Ipv6Net::new(first_v6(net), net.prefix_len());
    if let Some(net) = config.fixed_cidr_v6 {
        return Ok(first(net.trunc()).ok().map(IpNet::V6));
    }
    if let Some(stored) = stored.filter(|s| !taken.iter().any(|t| subnet::overlap(*t, *s))) {
        return Ok(Some(stored));
    }
    match subnet::choose(&pools(config), Family::V6, taken) {
        Some(IpNet::V6(net)) => Ok(first(net).ok().map(IpNet::V6)),
        _ => Err(NetworkError::PoolsExhausted),
    }
}

fn first_v6(net: Ipv6Net) -> std::net::Ipv6Addr {
    (u128::from(net.network()) + 1).into()
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
    stored: Option<Ipv4Net>,
    taken: &[IpNet],
    in_use: bool,
) -> Result<Ipv4Net, NetworkError> {
    let collision = |net: Ipv4Net| {
        taken
            .iter()
            .find(|t| subnet::overlap(**t, net.into()))
            .copied()
    };
    if let Some(stored) = stored.filter(|_| in_use) {
        return Ok(stored);
    }
    if let Some(wanted) = config.bip {
        return match collision(wanted) {
            Some(route) => Err(NetworkError::SubnetTaken {
                subnet: wanted.trunc().into(),
                route,
            }),
            None => Ok(wanted),
        };
    }
    // One that came from a --bip of an earlier start is as good as a chosen one.
    if let Some(stored) = stored.filter(|s| collision(*s).is_none()) {
        return Ok(stored);
    }
    match subnet::choose(&pools(config), Family::V4, taken) {
        Some(IpNet::V4(chosen)) => {
            let first = Ipv4Addr::from(u32::from(chosen.network()) + 1);
            Ok(Ipv4Net::new(first, chosen.prefix_len()).expect("a prefix length from a network"))
        }
        _ => Err(NetworkError::PoolsExhausted),
    }
}

/// Where subnets that nobody asked for are cut from. Without one of IPv6 there is still the engine's own
/// range.
pub(super) fn pools(config: &NetworkConfig) -> Vec<AddressPool> {
    let mut pools = match config.address_pools.as_slice() {
        [] => subnet::default_pools(),
        given => given.to_vec(),
    };
    if !pools
        .iter()
        .any(|pool| Family::of(pool.base.addr()) == Family::V6)
    {
        pools.push(subnet::unique_local_pool(config.engine));
    }
    pools
}
