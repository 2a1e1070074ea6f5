//! rtnetlink: links, addresses, routes and the bridge's forwarding entries (`rtnetlink(7)`).
//!
//! Functions that change something make a [`crate::Message`], so that several go in one datagram;
//! functions that look something up take the socket.

use std::net::IpAddr;

use crate::attribute::Malformed;

mod address;
mod device;
mod link;
mod neighbour;
mod table;

pub use address::{Address, add_address, addresses, delete_address};
pub use device::{IpvlanFlag, IpvlanMode, IpvlanSpec, create_dummy, create_ipvlan, create_vlan};
pub use link::{
    BridgeSpec, Link, MacvlanMode, MacvlanSpec, PortSettings, VethPeer, VethSpec, block_port,
    configure_port, create_bridge, create_macvlan, create_veth, delete_group, delete_link, link,
    links, loopback_up, set_group, set_master, set_up,
};
pub use neighbour::replace_forwarding_entry;
pub use table::{Route, replace_default_route, replace_default_route_on_link, routes};

/// Address families in fixed headers.
pub(crate) const AF_UNSPEC: u8 = 0;
pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_BRIDGE: u8 = 7;
pub(crate) const AF_INET6: u8 = 10;

/// The family of an address.
pub(crate) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// An address as attributes hold it.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The address of an attribute, whose length tells the family.
pub(crate) fn ip_of(payload: &[u8], what: &'static str) -> Result<IpAddr, Malformed> {
    <[u8; 4]>::try_from(payload)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(payload).map(IpAddr::from))
        .map_err(|_| Malformed(what))
}

/// `struct ifinfomsg`: family, pad, type, index, flags, mask of the flags that change.
pub(crate) fn interface_header(family: u8, index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[0] = family;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}
