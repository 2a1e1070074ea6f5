//! User-defined networks come and go: record, device, firewall chains.
//!
//! The record is written before anything is made, so that a daemon killed half-way finds the network
//! and completes it. On the way out the device is first marked for the teardown thread and loses its
//! address; once the record is gone the name and the subnet are free.

use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use gantry_ids::NetworkId;
use gantry_netlink::{Socket, route};
use ipnet::Ipv4Net;

use super::{Network, Networks, State, defaults, lock};
use crate::NetworkRequest;
use crate::address_book::AddressBook;
use crate::bridge;
use crate::definition::{self, Definition, DefinitionError, Driver, Pool, first_host};
use crate::error::NetworkError;
use crate::info::{NetworkInfo, is_builtin};
use crate::names;
use crate::store::{self, NetworkRecord};
use crate::subnet::{self, MachineLock};
use crate::teardown::Job;

impl Networks {
    /// Makes a bridge network: its record is durable, its bridge up and its chains in the table when
    /// this returns. All or nothing.
    pub fn create(&self, request: &NetworkRequest) -> Result<NetworkInfo, NetworkError> {
        let pools = definition::check_name_and_pools(request)?;
        // One definition at a time: what is free stays free until it is written.
        let _defining = lock(&self.defining);
        if self
            .state()
            .networks
            .iter()
            .any(|n| n.record.name == request.name)
        {
            return Err(NetworkError::NameTaken(request.name.clone()));
        }
        let definition = definition::define(request, pools)?;
        let machine = MachineLock::acquire(&self.config.lock_file)?;
        let record = self.settle(request, &definition)?;
        self.store.put(&record)?;
        let made = self.make_network(&record);
        drop(machine);
        if let Err(error) = made {
            self.unmake_network(&record);
            return Err(error);
        }
        self.inspect(record.id.as_str())
    }

    /// Removes a network that no container is connected to. Its name and subnet are free when this
    /// returns; the bridge device follows from the teardown thread.
    pub fn remove(&self, network: &str) -> Result<NetworkInfo, NetworkError> {
        let _defining = lock(&self.defining);
        let (info, record) = {
            let mut state = self.state();
            let found = state.find(network)?;
            if is_builtin(&found.record.name) {
                return Err(NetworkError::PredefinedRemoval(found.record.name.clone()));
            }
            let (info, record) = (self.describe(&state, found), found.record.clone());
            if !info.endpoints.is_empty() {
                return Err(active(&info));
            }
            // From here on no endpoint can be made in it.
            state.networks.retain(|n| n.record.id != record.id);
            (info, record)
        };
        if let Err(error) = self
            .condemn_bridge(&record)
            .and_then(|()| Ok(self.store.delete(&record.id)?))
        {
            self.reprieve_bridge(&record);
            self.state().networks.push(network_of(record));
            return Err(error);
        }
        self.rebuild_firewall()?;
        self.forget_names(record.id.as_str());
        if !record.foreign_bridge {
            self.teardown.push(Job {
                links: true,
                namespace: None,
            });
        }
        Ok(info)
    }

    fn make_network(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        if record.bridge.is_some() {
            self.restore_bridge(&mut lock(&self.route), record)?;
        }
        self.state().networks.push(network_of(record.clone()));
        self.rebuild_firewall()
    }

    /// Takes back what [`Self::create`] made; what cannot be taken back is swept at the next start.
    fn unmake_network(&self, record: &NetworkRecord) {
        self.state().networks.retain(|n| n.record.id != record.id);
        let undone = self
            .condemn_bridge(record)
            .and_then(|()| Ok(self.store.delete(&record.id)?))
            .and_then(|()| self.rebuild_firewall());
        self.teardown.push(Job {
            links: true,
            namespace: None,
        });
        if let Err(error) = undone {
            tracing::warn!(error = %gantry_errors::chain(&error), "undoing a failed network create");
        }
    }

    /// Marks the device for the teardown thread and takes its address, and with it its route, away; a
    /// device that somebody else made loses only the address that it was given.
    fn condemn_bridge(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let (Some(name), Some(own)) = (record.bridge.as_deref(), record.subnet) else {
            return Ok(());
        };
        let mut socket = lock(&self.route);
        let Some(link) = route::link(&mut socket, name).map_err(NetworkError::Links)? else {
            return Ok(());
        };
        let is_given = |a: &route::Address| (a.ip, a.prefix) == (own.addr(), own.prefix_len());
        let addresses = route::addresses(&mut socket).map_err(NetworkError::Links)?;
        let mut messages: Vec<_> = addresses
            .into_iter()
            .filter(|a| a.link == link.index && (!record.foreign_bridge || is_given(a)))
            .map(route::delete_address)
            .collect();
        if !record.foreign_bridge {
            let dying = names::dying_group(self.config.engine);
            messages.insert(0, route::set_group(name, dying));
        }
        socket.request(&messages).map_err(NetworkError::Links)
    }

    /// The network stays after all: its device is out of the teardown thread's hands, and whole again.
    fn reprieve_bridge(&self, record: &NetworkRecord) {
        let (Some(name), false) = (record.bridge.as_deref(), record.foreign_bridge) else {
            return;
        };
        let mut socket = lock(&self.route);
        let kept = socket
            .request(&[route::set_group(name, 0)])
            .map_err(NetworkError::Links)
            // One that is gone already is made again.
            .or_else(|_| Ok(()))
            .and_then(|()| self.restore_bridge(&mut socket, record));
        if let Err(error) = kept {
            tracing::error!(error = %gantry_errors::chain(&error), "a network that stays has lost its bridge");
        }
    }

    /// The record of a definition, with subnet, gateway and device settled. The machine-wide lock is
    /// held.
    fn settle(
        &self,
        request: &NetworkRequest,
        definition: &Definition,
    ) -> Result<NetworkRecord, NetworkError> {
        let id = NetworkId::generate();
        let mut socket = lock(&self.route);
        let device = self.settle_device(&mut socket, &id, &definition.driver)?;
        let pool = match &definition.pool {
            Some(pool) => self.state().free_pool(pool)?,
            None => self.choose_pool(&mut socket)?,
        };
        let isolated = matches!(&definition.driver, Driver::Bridge(o) if o.isolated);
        let host = settle_addresses(&pool, isolated)?;
        Ok(NetworkRecord {
            v: store::VERSION,
            id,
            name: request.name.clone(),
            driver: device.driver.to_owned(),
            created_ns: now_ns(),
            bridge: device.bridge,
            subnet: Some(
                Ipv4Net::new(host, pool.subnet.prefix_len())
                    .expect("a prefix length from a network"),
            ),
            user_subnet: definition.pool.is_some(),
            ip_range: pool.ip_range,
            gateway: pool.gateway,
            options: request.options.clone(),
            labels: request.labels.clone(),
            internal: request.internal,
            attachable: request.attachable,
            reserved: pool.reserved,
            ipam_options: request.ipam_options.clone(),
            parent: device.parent,
            foreign_bridge: device.is_foreign,
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
                let parent = &options.parent;
                let there = route::link(socket, parent).map_err(NetworkError::Links)?;
                if there.is_none() {
                    return Err(DefinitionError::NoParent(parent.clone()).into());
                }
                self.state().free_parent(parent)?;
                Ok(Device {
                    driver: "macvlan",
                    bridge: None,
                    parent: Some(parent.clone()),
                    is_foreign: true,
                })
            }
        }
    }

    /// A subnet of the engine's pools that neither another network nor a route of the host touches.
    fn choose_pool(&self, socket: &mut Socket) -> Result<Pool, NetworkError> {
        let mut taken = bridge::routed_networks(socket, None)?;
        taken.extend(self.state().subnets());
        let pools = defaults::pools(&self.config);
        let subnet = subnet::choose(&pools, &taken).ok_or(NetworkError::PoolsExhausted)?;
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
fn settle_addresses(pool: &Pool, isolated: bool) -> Result<Ipv4Addr, NetworkError> {
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
    Ok(gateway)
}

fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

fn active(info: &NetworkInfo) -> NetworkError {
    let endpoints = info.endpoints.iter().map(|endpoint| {
        let id = &endpoint.endpoint.as_str()[..12];
        format!("name:{:?} id:{id:?}", endpoint.name)
    });
    NetworkError::ActiveEndpoints {
        network: info.name.clone(),
        endpoints: endpoints.collect::<Vec<_>>().join(", "),
    }
}

/// A network of a record, with a book of its addresses.
pub(super) fn network_of(record: NetworkRecord) -> Network {
    let addresses = record.subnet.map(|subnet| {
        let reserved = [Some(subnet.addr()), record.gateway]
            .into_iter()
            .flatten()
            .chain(record.reserved.values().copied());
        AddressBook::new(subnet, record.ip_range, reserved)
    });
    Network { record, addresses }
}

impl State {
    fn subnets(&self) -> Vec<Ipv4Net> {
        self.networks
            .iter()
            .filter_map(|n| n.record.subnet)
            .map(|subnet| subnet.trunc())
            .collect()
    }

    fn free_pool(&self, pool: &Pool) -> Result<Pool, NetworkError> {
        if self
            .subnets()
            .iter()
            .any(|other| subnet::overlap(*other, pool.subnet))
        {
            return Err(NetworkError::PoolOverlap);
        }
        Ok(pool.clone())
    }

    fn free_parent(&self, parent: &str) -> Result<(), DefinitionError> {
        let holder = self
            .networks
            .iter()
            .find(|n| n.record.parent.as_deref() == Some(parent));
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
