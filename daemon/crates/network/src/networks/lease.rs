//! An endpoint's addresses: what may be asked for, and what is given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gantry_ids::EndpointId;

use super::{Held, State, settings};
use crate::address_book::Unavailable as NoAddress;
use crate::bridge;
use crate::endpoint::{Endpoint, EndpointRequest, MacAddr};
use crate::error::NetworkError;
use crate::reservation::Reservation;
use crate::store::{Family, NetworkRecord};

/// An address that was leased.
struct Given {
    address: IpAddr,
    prefix: u8,
    gateway: Option<IpAddr>,
}

fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

fn v6(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}

/// Whether a container may ask for what it asks for.
fn check_wishes(network: &NetworkRecord, request: &EndpointRequest) -> Result<(), NetworkError> {
    let wishes = [request.ip.map(IpAddr::V4), request.ip6.map(IpAddr::V6)];
    for family in wishes.iter().flatten().map(|wish| Family::of(*wish)) {
        let mut own = network
            .subnets
            .iter()
            .filter(|s| Family::of(s.net.addr()) == family);
        if !own.any(|subnet| subnet.chosen) {
            return Err(NetworkError::AddressNeedsUserSubnet);
        }
    }
    let is_link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    match request.link_local.iter().find(|ip| !is_link_local(ip)) {
        Some(foreign) => Err(NetworkError::NotLinkLocal(*foreign)),
        None => Ok(()),
    }
}

impl State {
    /// An endpoint with its addresses, and no ports yet.
    pub(super) fn lease(
        &mut self,
        network: &NetworkRecord,
        request: &EndpointRequest,
    ) -> Result<Endpoint, NetworkError> {
        let others = self
            .containers
            .get(&request.container)
            .map(|c| c.endpoints.as_slice())
            .unwrap_or_default();
        if others.iter().any(|h| h.endpoint.network == network.id) {
            return Err(NetworkError::AlreadyConnected {
                container_name: request.container_name.clone(),
                network: network.name.clone(),
            });
        }
        let prefix = settings::options(network).interface_prefix;
        let interface = (0..).map(|n| format!("{prefix}{n}")).find(|name| {
            !others
                .iter()
                .any(|h| h.endpoint.interface.as_ref() == Some(name))
        });
        check_wishes(network, request)?;
        let four = self.lease_address(network, Family::V4, request.ip.map(IpAddr::V4))?;
        let six = self.lease_address(network, Family::V6, request.ip6.map(IpAddr::V6));
        let six = six.inspect_err(|_| {
            if let Some(given) = &four {
                self.give_back_address(network, given.address);
            }
        })?;
        let first = four.as_ref().or(six.as_ref()).map(|given| given.address);
        Ok(Endpoint {
            id: EndpointId::generate(),
            network: network.id.clone(),
            network_name: network.name.clone(),
            container: request.container.clone(),
            container_name: request.container_name.clone(),
            ip: four.as_ref().and_then(|given| v4(given.address)),
            prefix: four.as_ref().map_or(0, |given| given.prefix),
            gateway: four.as_ref().and_then(|given| v4(given.gateway?)),
            ip6: six.as_ref().and_then(|given| v6(given.address)),
            prefix6: six.as_ref().map_or(0, |given| given.prefix),
            gateway6: six.as_ref().and_then(|given| v6(given.gateway?)),
            on_link: settings::leads_out_by_link(network),
            mac: first.map(|ip| request.mac.unwrap_or(MacAddr(bridge::mac_of(ip)))),
            interface: interface.filter(|_| first.is_some()),
            ports: Vec::new(),
            names: request.names.clone(),
            links: request.links.clone(),
            link_local: request.link_local.clone(),
            gateway_priority: request.gateway_priority,
        })
    }

    /// An address of a family; none on networks that have none of it.
    fn lease_address(
        &mut self,
        network: &NetworkRecord,
        family: Family,
        wish: Option<IpAddr>,
    ) -> Result<Option<Given>, NetworkError> {
        let gone = || NetworkError::NoSuchNetwork(network.name.clone());
        let books = &mut self.by_id(&network.id).ok_or_else(gone)?.addresses;
        let mut books: Vec<_> = books
            .iter_mut()
            .filter(|book| Family::of(book.subnet().addr()) == family)
            .collect();
        if books.is_empty() {
            return Ok(None);
        }
        let (address, subnet) = match wish {
            Some(ip) => {
                let book = books.iter_mut().find(|book| book.subnet().contains(&ip));
                let book = book.ok_or(NetworkError::AddressOutside(ip))?;
                book.lease(ip).map_err(|unavailable| match unavailable {
                    NoAddress::Outside => NetworkError::AddressOutside(ip),
                    NoAddress::Taken | NoAddress::Full => NetworkError::AddressInUse(ip),
                })?;
                (ip, book.subnet())
            }
            None => books
                .iter_mut()
                .find_map(|book| Some((book.lease_any().ok()?, book.subnet())))
                .ok_or_else(|| NetworkError::NoAddressLeft {
                    family: if family == Family::V4 { "IPv4" } else { "IPv6" },
                    name: network.name.clone(),
                    id: network.id.clone(),
                })?,
        };
        let record = network.subnets.iter().find(|s| s.net.trunc() == subnet);
        Ok(Some(Given {
            address,
            prefix: subnet.prefix_len(),
            gateway: record.and_then(|subnet| settings::gateway(network, subnet)),
        }))
    }

    fn give_back_address(&mut self, network: &NetworkRecord, address: IpAddr) {
        if let Some(network) = self.by_id(&network.id) {
            network.release(address);
        }
    }

    pub(super) fn attach(&mut self, endpoint: Endpoint, ports: Reservation) {
        let attached = self
            .containers
            .entry(endpoint.container.clone())
            .or_default();
        attached.endpoints.push(Held { endpoint, ports });
    }
}
