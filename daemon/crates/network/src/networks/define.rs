//! User-defined networks come and go: record, device, firewall chains.
//!
//! The record is written before anything is made, so that a daemon killed half-way finds the network
//! and completes it. On the way out the device is first marked for the teardown thread and loses its
//! address; once the record is gone the name and the subnet are free.

use gantry_netlink::route;

use super::settle::network_of;
use super::{Networks, lock};
use crate::bridge;
use crate::definition;
use crate::error::NetworkError;
use crate::info::{NetworkInfo, is_builtin};
use crate::names;
use crate::store::NetworkRecord;
use crate::subnet::MachineLock;
use crate::teardown::Job;
use crate::{NetworkRequest, SubnetRequest};

impl Networks {
    /// Makes a bridge network: its record is durable, its bridge up and its chains in the table when
    /// this returns. All or nothing.
    pub fn create(&self, request: &NetworkRequest) -> Result<NetworkInfo, NetworkError> {
        let mut pools = definition::check_name_and_pools(request)?;
        definition::check_config(request)?;
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
        let mut request = std::borrow::Cow::Borrowed(request);
        if request.config_from.is_some() {
            let inherited = self.inherit(&request)?;
            pools = definition::check_name_and_pools(&inherited)?;
            request = std::borrow::Cow::Owned(inherited);
        }
        let request = request.as_ref();
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
            let mut others = state
                .networks
                .iter()
                .filter_map(|n| n.record.config_from.as_ref());
            if record.config_only && others.any(|from| *from == record.name) {
                return Err(NetworkError::ConfigInUse(record.name));
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
        self.restore_device(&mut lock(&self.route), record)?;
        let uses_ipv6 = record.ipv6 && record.bridge.is_some();
        if uses_ipv6 && self.config.ip_forward && bridge::enable_forwarding_v6()? {
            tracing::warn!("{}", super::open::FORWARDING_V6);
        }
        self.state().networks.push(network_of(record.clone()));
        self.rebuild_firewall()
    }

    /// The request with what the network of settings says that it names.
    fn inherit(&self, request: &NetworkRequest) -> Result<NetworkRequest, NetworkError> {
        let name = request.config_from.clone().unwrap_or_default();
        let state = self.state();
        let from = state.find(&name).ok().map(|n| &n.record);
        let from = from
            .filter(|r| r.config_only)
            .ok_or(NetworkError::NoConfig(name))?;
        let subnets = from
            .subnets
            .iter()
            .filter(|s| s.chosen)
            .map(|subnet| SubnetRequest {
                subnet: subnet.net.trunc().to_string(),
                ip_range: subnet.ip_range.map(|r| r.to_string()).unwrap_or_default(),
                gateway: subnet.gateway.map(|g| g.to_string()).unwrap_or_default(),
                reserved: subnet
                    .reserved
                    .iter()
                    .map(|(n, a)| (n.clone(), a.to_string()))
                    .collect(),
            });
        let mut labels = from.labels.clone();
        labels.extend(request.labels.clone());
        Ok(NetworkRequest {
            ipv4: from.ipv4,
            ipv6: from.ipv6,
            subnets: subnets.collect(),
            options: from.options.clone(),
            labels,
            ipam_options: from.ipam_options.clone(),
            config_from: Some(from.name.clone()),
            ..request.clone()
        })
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
        let Some(name) = record.bridge.as_deref().or(record.parent.as_deref()) else {
            return Ok(());
        };
        let mut socket = lock(&self.route);
        let Some(link) = route::link(&mut socket, name).map_err(NetworkError::Links)? else {
            return Ok(());
        };
        let given = if record.bridge.is_some() {
            super::settings::host_addresses(record)
        } else {
            Vec::new()
        };
        let is_given = |a: &route::Address| {
            given
                .iter()
                .any(|net| (a.ip, a.prefix) == (net.addr(), net.prefix_len()))
        };
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
        let name = record.bridge.as_deref().or(record.parent.as_deref());
        let (Some(name), false) = (name, record.foreign_bridge) else {
            return;
        };
        let mut socket = lock(&self.route);
        let kept = socket
            .request(&[route::set_group(name, 0)])
            .map_err(NetworkError::Links)
            // One that is gone already is made again.
            .or_else(|_| Ok(()))
            .and_then(|()| self.restore_device(&mut socket, record));
        if let Err(error) = kept {
            tracing::error!(error = %gantry_errors::chain(&error), "a network that stays has lost its bridge");
        }
    }
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
