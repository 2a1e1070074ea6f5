//! The inner end of an endpoint's link: its addresses, put there by a thread within the namespace.

use std::net::IpAddr;
use std::path::Path;

use gantry_netlink::{Protocol, Socket, route};
use ipnet::IpNet;

use super::{Networks, lock};
use crate::endpoint::Endpoint;
use crate::error::NetworkError;

/// Of 169.254.0.0/16.
const LINK_LOCAL_PREFIX: u8 = 16;
/// Of fe80::/64.
const LINK_LOCAL_PREFIX_V6: u8 = 64;

/// The addresses of an endpoint on a bridge network, all of which such an endpoint has.
pub(super) struct Inside<'a> {
    pub(super) interface: &'a str,
    pub(super) mac: [u8; 6],
    addresses: Vec<IpNet>,
    link_local: &'a [IpAddr],
}

pub(super) fn inside(endpoint: &Endpoint) -> Option<Inside<'_>> {
    Some(Inside {
        interface: endpoint.interface.as_deref()?,
        mac: endpoint.mac?.0,
        addresses: endpoint.addresses(),
        link_local: &endpoint.link_local,
    })
}

impl Networks {
    /// Runs in the container's namespace.
    pub(super) fn configure_inside(&self, inside: &Inside<'_>) -> Result<(), NetworkError> {
        let mut socket = Socket::open(Protocol::Route).map_err(NetworkError::Links)?;
        let found = route::link(&mut socket, inside.interface).map_err(NetworkError::Links)?;
        let Some(link) = found.map(|l| l.index) else {
            return Ok(());
        };
        let six = inside
            .addresses
            .iter()
            .map(IpNet::addr)
            .chain(inside.link_local.iter().copied());
        {
            // The kernel does not wait for its lock of all links here: it takes the write back and has the
            // thread try again at once, for as long as another is making links. Ours are waited for asleep.
            let _links = lock(&self.route);
            switch_ipv6(inside.interface, six.into_iter().any(|ip| ip.is_ipv6()))?;
        }
        let link_local = inside.link_local.iter().map(|ip| match ip {
            IpAddr::V4(_) => (*ip, LINK_LOCAL_PREFIX),
            IpAddr::V6(_) => (*ip, LINK_LOCAL_PREFIX_V6),
        });
        let mut messages: Vec<_> = inside
            .addresses
            .iter()
            .map(|net| (net.addr(), net.prefix_len()))
            .chain(link_local)
            .map(|(ip, prefix)| route::add_address(route::Address { link, ip, prefix }))
            .collect();
        messages.push(route::set_up(link));
        socket.request(&messages).map_err(NetworkError::Links)?;
        if inside.addresses.iter().any(|net| net.addr().is_ipv6()) {
            // IPv6 waits for the link's carrier to be dealt with, which asking for the link does.
            route::link(&mut socket, inside.interface).map_err(NetworkError::Links)?;
        }
        Ok(())
    }
}

/// As dockerd does: on networks without IPv6 no link-local address appears. A kernel without IPv6 has no
/// such setting.
fn switch_ipv6(interface: &str, on: bool) -> Result<(), NetworkError> {
    let path = Path::new("/proc/sys/net/ipv6/conf")
        .join(interface)
        .join("disable_ipv6");
    match std::fs::write(&path, if on { "0" } else { "1" }) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(NetworkError::File {
            step: "write",
            path,
            source,
        }),
        _ => Ok(()),
    }
}
