//! rtnetlink: links, addresses, routes and the bridge's forwarding entries (`rtnetlink(7)`).
//!
//! Functions that change something make a [`crate::Message`], so that several go in one datagram;
//! functions that look something up take the socket.

mod address;
mod link;
mod neighbour;
mod table;

pub use address::{Address, add_address, addresses, delete_address};
pub use link::{
    BridgeSpec, Link, MacvlanMode, MacvlanSpec, PortSettings, VethPeer, VethSpec, block_port,
    configure_port, create_bridge, create_macvlan, create_veth, delete_group, delete_link, link,
    links, loopback_up, set_group, set_master, set_up,
};
pub use neighbour::replace_forwarding_entry;
pub use table::{Route, replace_default_route, routes};

/// Address families in fixed headers.
pub(crate) const AF_UNSPEC: u8 = 0;
pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_BRIDGE: u8 = 7;

/// `struct ifinfomsg`: family, pad, type, index, flags, mask of the flags that change.
pub(crate) fn interface_header(family: u8, index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[0] = family;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}
