//! A network that is asked for gets what it does not name: device, subnets, gateways.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use gantry_ids::NetworkId;
use gantry_netlink::{Socket, route};
use ipnet::IpNet;

use super::{Network, Networks, State, defaults, lock, settings};
use crate::NetworkRequest;
use crate::address_book::AddressBook;
use crate::bridge;
use crate::definition::{self, Definition, DefinitionError, Driver, Pool, first_host};
use crate::error::NetworkError;
use crate::names;
use crate::store::{self, Family, NetworkRecord, SubnetRecord};
use crate::subnet;

impl Networks {
    /// The record of a definition, with subnet, gateway and device settled. The machine-wide lock is
    /// held.
    pub(super) fn settle(
        &self,
        request: &NetworkRequest,
        definition: &Definition,
    ) -> Result<NetworkRecord, NetworkError> {
        let id = NetworkId::generate();
        let mut socket = lock(&self.route);
        let device = self.settle_device(&mut socket, &id, &definition.driver)?;
        let isolated = matches!(&definition.driver, Driver::Bridge(o) if o.isolated());
        let config_only = matches!(definition.driver, Driver::Nothing);
        let mut subnets = Vec::new();
        for pool in &definition.pools {
            if !config_only {
                self.state().is_free(pool)?;
            }
            subnets.push(settle_addresses(pool, isolated, true)?);
        }
        for family in Family::BOTH {
            let wanted = match family {
                Family::V4 => request.ipv4,
                Family::V6 => request.ipv6,
            };
            let has_one = definition
                .pools
                .iter()
                .any(|p| Family::of(p.subnet.addr()) == family);
            if wanted && !has_one && !config_only {
                let pool = self.choose_pool(&mut socket, family)?;
                subnets.push(settle_addresses(&pool, isolated, false)?);
            }
        }
        Ok(NetworkRecord {
            v: store::VERSION,
            id,
            name: request.name.clone(),
            driver: device.driver.to_owned(),
            created_ns: now_ns(),
            bridge: device.bridge,
            ipv4: request.ipv4,
            ipv6: request.ipv6,
            subnets,
            options: request.options.clone(),
            labels: request.labels.clone(),
            internal: request.internal,
            attachable: request.attachable,
            ipam_options: request.ipam_options.clone(),
            parent: device.parent,
            foreign_bridge: device.is_foreign,
            config_only,
            config_from: request.config_from.clone(),
        })
    }

    /// The bridge that is to be made or used, or the device that links are to be made on.
    fn settle_device(
        &self,
        socket: &mut Socket,
        id: &NetworkId,
        driver: &Driver,
    ) -> Result<Device, NetworkError> {
        match driver {
            Driver::Bridge(options) => {
                let name = match &options.name {
                    Some(name) => self.state().free_bridge(id, name)?,
                    None => names::network_bridge(self.config.engine, id),
                };
                let mut there = route::link(socket, &name).map_err(NetworkError::Links)?;
                let dying = names::dying_group(self.config.engine);
                if there.as_ref().is_some_and(|link| link.group == dying) {
                    // That of a network that was just removed.
                    self.teardown.drain();
                    there = route::link(socket, &name).map_err(NetworkError::Links)?;
                }
                Ok(Device {
                    driver: defaults::BRIDGE,
                    bridge: Some(name),
                    parent: None,
                    is_foreign: there.is_some(),
                })
            }
            Driver::Macvlan(options) => {
                self.settle_parent(socket, id, settings::MACVLAN, options.parent.as_deref())
            }
            Driver::Ipvlan(options) => {
                self.settle_parent(socket, id, settings::IPVLAN, options.parent.as_deref())
            }
            Driver::Nothing => Ok(Device {
                driver: "null",
                bridge: None,
                parent: None,
                is_foreign: true,
            }),
        }
    }

    /// The device that containers' links are made on: the host's, or one of the engine's own, which is made
    /// with the network.
    fn settle_parent(
        &self,
        socket: &mut Socket,
        id: &NetworkId,
        driver: &'static str,
        wanted: Option<&str>,
    ) -> Result<Device, NetworkError> {
        let device = |parent: String, is_foreign| Device {
            driver,
            bridge: None,
            parent: Some(parent),
            is_foreign,
        };
        let Some(parent) = wanted else {
            let own = names::network_parent(self.config.engine, id);
            return Ok(device(own, false));
        };
        let mut there = |name: &str| route::link(socket, name).map_err(NetworkError::Links);
        let is_foreign = there(parent)?.is_some();
        if !is_foreign {
            let tagged = definition::tagged(parent)
                .map(|(on, _)| there(on))
                .transpose()?;
            if tagged.flatten().is_none() {
                return Err(DefinitionError::NoParent(parent.to_owned()).into());
            }
        }
        self.state().free_parent(driver, parent)?;
        Ok(device(parent.to_owned(), is_foreign))
    }

    /// A subnet of the engine's pools that neither another network nor a route of the host touches.
    fn choose_pool(&self, socket: &mut Socket, family: Family) -> Result<Pool, NetworkError> {
        let mut taken = bridge::routed_networks(socket, None)?;
        taken.extend(self.state().subnets());
        let pools = defaults::pools(&self.config);
        let subnet = subnet::choose(&pools, family, &taken).ok_or(NetworkError::PoolsExhausted)?;
        Ok(Pool {
            subnet,
            ip_range: None,
            gateway: None,
            reserved: std::collections::BTreeMap::new(),
        })
    }
}

/// What carries a network that is to be made.
struct Device {
    driver: &'static str,
    bridge: Option<String>,
    parent: Option<String>,
    is_foreign: bool,
}

/// Takes gateway and kept addresses as dockerd does, the gateway first: the address of the bridge. An
/// isolated network has none; the network's own, which is nobody's, stands for it.
fn settle_addresses(
    pool: &Pool,
    isolated: bool,
    chosen: bool,
) -> Result<SubnetRecord, NetworkError> {
    let mut book = AddressBook::new(pool.subnet, pool.ip_range, []);
    let gateway = match pool.gateway {
        Some(gateway) => book
            .lease(gateway)
            .map(|()| gateway)
            .map_err(|_| NetworkError::GatewayTaken(gateway))?,
        None if isolated => pool.subnet.network(),
        None => {
            let first = first_host(pool.subnet);
            book.lease_any()
                .map_err(|_| NetworkError::GatewayTaken(first))?
        }
    };
    for (name, address) in &pool.reserved {
        book.lease(*address)
            .map_err(|_| NetworkError::ReservedTaken {
                name: name.clone(),
                address: *address,
            })?;
    }
    let net = IpNet::new(gateway, pool.subnet.prefix_len());
    Ok(SubnetRecord {
        net: net.expect("a prefix length from a network"),
        chosen,
        ip_range: pool.ip_range,
        gateway: pool.gateway,
        reserved: pool.reserved.clone(),
    })
}

fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// A network of a record, with a book of its addresses.
pub(super) fn network_of(record: NetworkRecord) -> Network {
    let book = |subnet: &SubnetRecord| {
        let reserved = [Some(subnet.net.addr()), subnet.gateway]
            .into_iter()
            .flatten()
            .chain(subnet.reserved.values().copied());
        AddressBook::new(subnet.net, subnet.ip_range, reserved)
    };
    let addresses = match record.config_only {
        true => Vec::new(),
        false => record.subnets_in_use().map(book).collect(),
    };
    Network { record, addresses }
}

impl Network {
    /// Gives an address back that was leased.
    pub(super) fn release(&mut self, address: IpAddr) {
        for book in self
            .addresses
            .iter_mut()
            .filter(|b| b.subnet().contains(&address))
        {
            book.release(address);
        }
    }

    /// Notes an address that a container has; `false` if it is not the network's or somebody else's.
    pub(super) fn take(&mut self, address: IpAddr) -> bool {
        self.addresses
            .iter_mut()
            .any(|book| book.lease(address).is_ok())
    }
}

impl State {
    fn subnets(&self) -> Vec<IpNet> {
        let real = self.networks.iter().filter(|n| !n.record.config_only);
        real.flat_map(|n| &n.record.subnets)
            .map(|subnet| subnet.net.trunc())
            .collect()
    }

    fn is_free(&self, pool: &Pool) -> Result<(), NetworkError> {
        if self
            .subnets()
            .iter()
            .any(|other| subnet::overlap(*other, pool.subnet))
        {
            return Err(NetworkError::PoolOverlap);
        }
        Ok(())
    }

    fn free_parent(&self, driver: &str, parent: &str) -> Result<(), DefinitionError> {
        let holder = self
            .networks
            .iter()
            .find(|n| n.record.driver == driver && n.record.parent.as_deref() == Some(parent));
        match holder {
            None => Ok(()),
            Some(other) => Err(DefinitionError::ParentTaken {
                other: other.record.id.short().to_owned(),
                parent: parent.to_owned(),
            }),
        }
    }

    fn free_bridge(&self, id: &NetworkId, name: &str) -> Result<String, NetworkError> {
        let holder = self
            .networks
            .iter()
            .find(|n| n.record.bridge.as_deref() == Some(name));
        match holder {
            None => Ok(name.to_owned()),
            Some(other) => Err(NetworkError::BridgeTaken {
                network: id.clone(),
                bridge: name.to_owned(),
                other: other.record.id.clone(),
            }),
        }
    }
}
