//! Devices that networks stand on beside bridges: ipvlan links, tagged (VLAN) devices, dummies.

use std::os::fd::AsRawFd;

use super::link::{
    IFF_UP, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO, IFLA_MTU,
    IFLA_NET_NS_FD, VethPeer, new_link,
};
use crate::message::Message;

const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;

/// What an ipvlan link looks at (`ip-link(8)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u16)]
pub enum IpvlanMode {
    /// Frames.
    #[default]
    L2 = 0,
    /// Packets, past the host's firewall.
    L3 = 1,
    /// Packets, through the host's firewall.
    L3s = 2,
}

/// How the ipvlan links of one device reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u16)]
pub enum IpvlanFlag {
    /// Directly.
    #[default]
    Bridge = 0,
    /// Not at all.
    Private = 1,
    /// By way of the switch.
    Vepa = 2,
}

/// A link that shares the Ethernet address of a device of the host, made within another namespace.
#[derive(Clone, Copy, Debug)]
pub struct IpvlanSpec<'a> {
    /// Index of the device.
    pub parent: u32,
    /// What it looks at.
    pub mode: IpvlanMode,
    /// How it reaches its siblings.
    pub flag: IpvlanFlag,
    /// In bytes.
    pub mtu: u32,
    /// Where it is made, and as what; its Ethernet address is the device's.
    pub place: VethPeer<'a>,
}

/// Makes an ipvlan link in another namespace; it stays down.
#[must_use]
pub fn create_ipvlan(spec: &IpvlanSpec<'_>) -> Message {
    let place = &spec.place;
    new_link(format!("create ipvlan {}", place.name), 0).with(|link| {
        link.string(IFLA_IFNAME, place.name)
            .u32(IFLA_MTU, spec.mtu)
            .u32(IFLA_LINK, spec.parent)
            .u32(IFLA_NET_NS_FD, place.namespace.as_raw_fd().cast_unsigned())
            .nest(IFLA_LINKINFO, |info| {
                info.string(IFLA_INFO_KIND, "ipvlan")
                    .nest(IFLA_INFO_DATA, |data| {
                        data.bytes(IFLA_IPVLAN_MODE, &(spec.mode as u16).to_ne_bytes())
                            .bytes(IFLA_IPVLAN_FLAGS, &(spec.flag as u16).to_ne_bytes());
                    });
            });
    })
}

/// Makes a device that leads nowhere; it comes up at once.
#[must_use]
pub fn create_dummy(name: &str) -> Message {
    new_link(format!("create dummy {name}"), IFF_UP).with(|link| {
        link.string(IFLA_IFNAME, name).nest(IFLA_LINKINFO, |info| {
            info.string(IFLA_INFO_KIND, "dummy");
        });
    })
}

/// Makes a device whose frames carry the tag `id` (1 to 4094) on device `parent`; it comes up at once.
#[must_use]
pub fn create_vlan(name: &str, parent: u32, id: u16) -> Message {
    new_link(format!("create vlan device {name}"), IFF_UP).with(|link| {
        link.string(IFLA_IFNAME, name)
            .u32(IFLA_LINK, parent)
            .nest(IFLA_LINKINFO, |info| {
                info.string(IFLA_INFO_KIND, "vlan")
                    .nest(IFLA_INFO_DATA, |data| {
                        data.bytes(IFLA_VLAN_ID, &id.to_ne_bytes());
                    });
            });
    })
}
