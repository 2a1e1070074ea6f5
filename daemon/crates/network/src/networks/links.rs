//! The links of one endpoint: a veth pair, addresses and routes, both when made and when put back.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_netlink::{Protocol, Socket, route};
use ipnet::Ipv4Net;
use rustix::io::Errno;

use super::{Networks, lock};
use crate::bridge;
use crate::endpoint::Endpoint;
use crate::error::NetworkError;
use crate::names;
use crate::namespace;
use crate::store::NetworkRecord;

/// The addresses of an endpoint on a bridge network, all of which such an endpoint has.
struct Inside<'a> {
    interface: &'a str,
    mac: [u8; 6],
    address: Ipv4Net,
    gateway: Option<Ipv4Addr>,
}

fn inside(endpoint: &Endpoint) -> Option<Inside<'_>> {
    Some(Inside {
        interface: endpoint.interface.as_deref()?,
        mac: endpoint.mac?.0,
        address: Ipv4Net::new(endpoint.ip?, endpoint.prefix).ok()?,
        gateway: endpoint.gateway,
    })
}

impl Networks {
    /// Makes the veth pair and configures its inner end. Nothing to do on networks without addresses.
    pub(super) fn make_links(
        &self,
        network: &NetworkRecord,
        endpoint: &Endpoint,
        namespace: &OwnedFd,
    ) -> Result<(), NetworkError> {
        let (Some(inside), Some(bridge)) = (inside(endpoint), network.bridge.as_deref()) else {
            return Ok(());
        };
        let name = names::veth(self.config.engine, &endpoint.id);
        {
            let mut socket = lock(&self.route);
            let master = self.bridge_index(&mut socket, network, bridge)?;
            let peer = route::VethPeer {
                name: inside.interface,
                mac: inside.mac,
                namespace: namespace.as_fd(),
            };
            let veth = route::VethSpec {
                name: &name,
                master,
                mtu: self.config.mtu,
                peer,
            };
            socket
                .request(&[route::create_veth(&veth)])
                .map_err(NetworkError::Links)?;
            self.settle_port(&mut socket, endpoint)?;
        }
        let path = self.sandbox_path(&endpoint.container);
        namespace::enter(namespace, &path, || configure_inside(&inside))
    }

    /// The bridge's index; an own bridge that somebody deleted is made again.
    fn bridge_index(
        &self,
        socket: &mut Socket,
        network: &NetworkRecord,
        name: &str,
    ) -> Result<u32, NetworkError> {
        if let Some(link) = route::link(socket, name).map_err(NetworkError::Links)? {
            return Ok(link.index);
        }
        self.restore_bridge(socket, network, name)
    }

    pub(super) fn restore_bridge(
        &self,
        socket: &mut Socket,
        network: &NetworkRecord,
        name: &str,
    ) -> Result<u32, NetworkError> {
        let (Some(address), true) = (network.subnet, name == names::bridge(self.config.engine))
        else {
            return bridge::existing(socket, name).map(|(index, _)| index);
        };
        let index = bridge::ensure(socket, name, address, self.config.mtu)?;
        if self.config.firewall {
            bridge::allow_loopback_routing(name)?;
        }
        Ok(index)
    }

    /// Tells the bridge who lives behind a port and how to treat it.
    pub(super) fn settle_port(
        &self,
        socket: &mut Socket,
        endpoint: &Endpoint,
    ) -> Result<(), NetworkError> {
        let name = names::veth(self.config.engine, &endpoint.id);
        let port = route::link(socket, &name).map_err(NetworkError::Links)?;
        let (Some(port), Some(mac)) = (port, endpoint.mac) else {
            return Ok(());
        };
        let settings = route::PortSettings {
            // Where the bridge runs the IP firewall, a container that reaches itself by a published port
            // is not routed: the frame turns round within the bridge.
            hairpin: !endpoint.ports.is_empty(),
            isolated: !self.config.icc && !bridge::runs_ip_firewall(),
        };
        let messages = [
            route::replace_forwarding_entry(port.index, mac.0),
            route::configure_port(port.index, settings),
        ];
        socket.request(&messages).map_err(NetworkError::Links)
    }

    /// Deletes the veth of an endpoint now, with the wait that takes.
    pub(super) fn delete_links(&self, endpoint: &Endpoint) -> Result<(), NetworkError> {
        let name = names::veth(self.config.engine, &endpoint.id);
        match lock(&self.route).request(&[route::delete_link(&name)]) {
            Err(error) if error.errno() != Some(Errno::NODEV) => Err(NetworkError::Links(error)),
            _ => Ok(()),
        }
    }
}

/// Runs in the container's namespace.
fn configure_inside(inside: &Inside<'_>) -> Result<(), NetworkError> {
    let mut socket = Socket::open(Protocol::Route).map_err(NetworkError::Links)?;
    let found = route::link(&mut socket, inside.interface).map_err(NetworkError::Links)?;
    let Some(link) = found.map(|l| l.index) else {
        return Ok(());
    };
    disable_ipv6(inside.interface)?;
    let address = route::Address {
        link,
        ip: inside.address.addr(),
        prefix: inside.address.prefix_len(),
    };
    let mut messages = vec![route::add_address(address), route::set_up(link)];
    messages.extend(
        inside
            .gateway
            .map(|gateway| route::add_default_route(gateway, link)),
    );
    socket.request(&messages).map_err(NetworkError::Links)
}

/// As dockerd does on networks without IPv6: no link-local address appears. A kernel without IPv6 has
/// no such setting.
fn disable_ipv6(interface: &str) -> Result<(), NetworkError> {
    let path = Path::new("/proc/sys/net/ipv6/conf")
        .join(interface)
        .join("disable_ipv6");
    match std::fs::write(&path, "1") {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(NetworkError::File {
            step: "write",
            path,
            source,
        }),
        _ => Ok(()),
    }
}
