//! Links: bridges, veth pairs, their state and their list.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{AF_BRIDGE, AF_UNSPEC, interface_header};
use crate::attribute::{Attributes, Malformed, attributes, nul_terminated, u32_of};
use crate::error::Error;
use crate::message::{CREATE, EXCLUSIVE, Message};
use crate::socket::Socket;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;

pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
pub(super) const IFLA_MTU: u16 = 4;
pub(super) const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_OPERSTATE: u16 = 16;
pub(super) const IFLA_LINKINFO: u16 = 18;
const IFLA_GROUP: u16 = 27;
pub(super) const IFLA_NET_NS_FD: u16 = 28;
pub(super) const IFLA_INFO_KIND: u16 = 1;
pub(super) const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_BRPORT_STATE: u16 = 1;
/// Hairpin mode.
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;

const OPERSTATE_UNKNOWN: u8 = 0;
const OPERSTATE_UP: u8 = 6;
const BR_STATE_DISABLED: u8 = 0;
pub(super) const IFF_UP: u32 = 1;
/// Index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;

/// A bridge to be made; it comes up at once.
#[derive(Clone, Copy, Debug)]
pub struct BridgeSpec<'a> {
    /// Name, at most 15 bytes.
    pub name: &'a str,
    /// Ethernet address; fixed, so that it does not follow that of the lowest port.
    pub mac: [u8; 6],
    /// In bytes.
    pub mtu: u32,
}

/// A veth pair to be made: the host's end comes up at once, the peer's stays down.
#[derive(Clone, Copy, Debug)]
pub struct VethSpec<'a> {
    /// Name of the host's end, at most 15 bytes.
    pub name: &'a str,
    /// Index of the bridge that the host's end joins.
    pub master: u32,
    /// Of both ends, in bytes.
    pub mtu: u32,
    /// The other end.
    pub peer: VethPeer<'a>,
}

/// The end of a veth pair that is made directly inside another namespace.
#[derive(Clone, Copy, Debug)]
pub struct VethPeer<'a> {
    /// Name inside, at most 15 bytes.
    pub name: &'a str,
    /// Ethernet address.
    pub mac: [u8; 6],
    /// The namespace.
    pub namespace: BorrowedFd<'a>,
}

/// Makes a bridge.
#[must_use]
pub fn create_bridge(spec: &BridgeSpec<'_>) -> Message {
    new_link(format!("create bridge {}", spec.name), IFF_UP).with(|link| {
        link.string(IFLA_IFNAME, spec.name)
            .bytes(IFLA_ADDRESS, &spec.mac)
            .u32(IFLA_MTU, spec.mtu)
            .nest(IFLA_LINKINFO, |info| {
                info.string(IFLA_INFO_KIND, "bridge");
            });
    })
}

/// Makes a veth pair, its peer in another namespace.
#[must_use]
pub fn create_veth(spec: &VethSpec<'_>) -> Message {
    let peer = peer_attributes(&spec.peer, spec.mtu);
    new_link(format!("create veth {}", spec.name), IFF_UP).with(|link| {
        link.string(IFLA_IFNAME, spec.name)
            .u32(IFLA_MTU, spec.mtu)
            .u32(IFLA_MASTER, spec.master)
            .nest(IFLA_LINKINFO, |info| {
                info.string(IFLA_INFO_KIND, "veth")
                    .nest(IFLA_INFO_DATA, |data| {
                        data.bytes(VETH_INFO_PEER, &peer);
                    });
            });
    })
}

/// How the containers of a macvlan network reach each other (`ip-link(8)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum MacvlanMode {
    /// Not at all.
    Private = 1,
    /// By way of the switch that the parent is connected to.
    Vepa = 2,
    /// Directly.
    #[default]
    Bridge = 4,
    /// One link alone has the parent for itself.
    Passthru = 8,
}

/// A link with an Ethernet address of its own on a device of the host, made within another namespace.
#[derive(Clone, Copy, Debug)]
pub struct MacvlanSpec<'a> {
    /// Index of the device.
    pub parent: u32,
    /// How it reaches others on the same device.
    pub mode: MacvlanMode,
    /// In bytes.
    pub mtu: u32,
    /// Where it is made, and as what.
    pub place: VethPeer<'a>,
}

/// Makes a macvlan link in another namespace; it stays down.
#[must_use]
pub fn create_macvlan(spec: &MacvlanSpec<'_>) -> Message {
    let place = &spec.place;
    new_link(format!("create macvlan {}", place.name), 0).with(|link| {
        link.string(IFLA_IFNAME, place.name)
            .bytes(IFLA_ADDRESS, &place.mac)
            .u32(IFLA_MTU, spec.mtu)
            .u32(IFLA_LINK, spec.parent)
            .u32(IFLA_NET_NS_FD, place.namespace.as_raw_fd().cast_unsigned())
            .nest(IFLA_LINKINFO, |info| {
                info.string(IFLA_INFO_KIND, "macvlan")
                    .nest(IFLA_INFO_DATA, |data| {
                        data.u32(IFLA_MACVLAN_MODE, spec.mode as u32);
                    });
            });
    })
}

/// A link message of its own within `VETH_INFO_PEER`: fixed header, then attributes.
fn peer_attributes(peer: &VethPeer<'_>, mtu: u32) -> Vec<u8> {
    let mut inner = Attributes::new();
    inner
        .string(IFLA_IFNAME, peer.name)
        .bytes(IFLA_ADDRESS, &peer.mac)
        .u32(IFLA_MTU, mtu)
        .u32(IFLA_NET_NS_FD, peer.namespace.as_raw_fd().cast_unsigned());
    let mut payload = interface_header(AF_UNSPEC, 0, 0, 0).to_vec();
    payload.extend_from_slice(inner.as_bytes());
    payload
}

pub(super) fn new_link(what: String, flags: u32) -> Message {
    Message::new(
        RTM_NEWLINK,
        CREATE | EXCLUSIVE,
        what,
        &interface_header(AF_UNSPEC, 0, flags, flags),
    )
}

fn set_link(what: String, index: u32) -> Message {
    Message::new(
        RTM_SETLINK,
        0,
        what,
        &interface_header(AF_UNSPEC, index, 0, 0),
    )
}

/// Brings a link up.
#[must_use]
pub fn set_up(index: u32) -> Message {
    let header = interface_header(AF_UNSPEC, index, IFF_UP, IFF_UP);
    Message::new(RTM_SETLINK, 0, format!("bring up link {index}"), &header)
}

/// Brings the loopback of the socket's namespace up; the kernel gives it its addresses.
#[must_use]
pub fn loopback_up() -> Message {
    set_up(LOOPBACK)
}

/// Makes a link a port of a bridge.
#[must_use]
pub fn set_master(index: u32, master: u32) -> Message {
    set_link(format!("enslave link {index}"), index).with(|link| {
        link.u32(IFLA_MASTER, master);
    })
}

/// Puts a link into a group, so that many are deleted with one wait ([`delete_group`]).
#[must_use]
pub fn set_group(name: &str, group: u32) -> Message {
    set_link(format!("set group of link {name}"), 0).with(|link| {
        link.string(IFLA_IFNAME, name).u32(IFLA_GROUP, group);
    })
}

/// How a bridge treats one of its ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortSettings {
    /// May a frame leave by the port it came in by?
    pub hairpin: bool,
    /// Is it kept from other such ports? It still reaches the bridge itself.
    pub isolated: bool,
}

/// Sets how a bridge treats a port.
#[must_use]
pub fn configure_port(index: u32, settings: PortSettings) -> Message {
    let header = interface_header(AF_BRIDGE, index, 0, 0);
    Message::new(
        RTM_SETLINK,
        0,
        format!("configure bridge port {index}"),
        &header,
    )
    .with(|link| {
        link.nest(IFLA_PROTINFO, |port| {
            port.u8(IFLA_BRPORT_MODE, settings.hairpin.into())
                .u8(IFLA_BRPORT_ISOLATED, settings.isolated.into());
        });
    })
}

/// Stops all frames from and to a bridge port, without the wait that taking it down would cost. The
/// bridge forgets it at the port's next change of state.
#[must_use]
pub fn block_port(index: u32) -> Message {
    let header = interface_header(AF_BRIDGE, index, 0, 0);
    Message::new(
        RTM_SETLINK,
        0,
        format!("block bridge port {index}"),
        &header,
    )
    .with(|link| {
        link.nest(IFLA_PROTINFO, |port| {
            port.u8(IFLA_BRPORT_STATE, BR_STATE_DISABLED);
        });
    })
}

/// Deletes a link by name; of a veth pair both ends.
#[must_use]
pub fn delete_link(name: &str) -> Message {
    Message::new(
        RTM_DELLINK,
        0,
        format!("delete link {name}"),
        &interface_header(AF_UNSPEC, 0, 0, 0),
    )
    .with(|link| {
        link.string(IFLA_IFNAME, name);
    })
}

/// Deletes every link of a group (not 0, which is everybody's) with one wait for the kernel.
#[must_use]
pub fn delete_group(group: u32) -> Message {
    debug_assert_ne!(group, 0, "group 0 holds every other link of the host");
    Message::new(
        RTM_DELLINK,
        0,
        format!("delete links of group {group}"),
        &interface_header(AF_UNSPEC, 0, 0, 0),
    )
    .with(|link| {
        link.u32(IFLA_GROUP, group);
    })
}

/// A link as the kernel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Index in its namespace.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Administratively up?
    pub up: bool,
    /// Do packets pass (`IF_OPER_UP`, or unknown to the driver)? Asking for one link by name also makes
    /// the kernel settle a change of its carrier that it has not dealt with yet (since Linux 6.8).
    pub operational: bool,
    /// Kind (`bridge`, `veth` …); empty for plain devices.
    pub kind: String,
    /// Index of the bridge that it is a port of.
    pub master: Option<u32>,
    /// In bytes.
    pub mtu: u32,
    /// Group, 0 unless someone set it.
    pub group: u32,
    /// Link-layer address, 6 bytes for Ethernet.
    pub address: Vec<u8>,
}

/// All links of the socket's namespace.
pub fn links(socket: &mut Socket) -> Result<Vec<Link>, Error> {
    let header = interface_header(AF_UNSPEC, 0, 0, 0);
    let message = Message::new(RTM_GETLINK, 0, "list links", &header);
    socket.dump(&message, |kind, body| {
        if kind == RTM_NEWLINK {
            read(body).map(Some)
        } else {
            Ok(None)
        }
    })
}

/// One link by name.
pub fn link(socket: &mut Socket, name: &str) -> Result<Option<Link>, Error> {
    let header = interface_header(AF_UNSPEC, 0, 0, 0);
    let message =
        Message::new(RTM_GETLINK, 0, format!("look up link {name}"), &header).with(|link| {
            link.string(IFLA_IFNAME, name);
        });
    socket.get(&message, read)
}

fn read(body: &[u8]) -> Result<Link, Malformed> {
    let (header, rest) = body
        .split_first_chunk::<16>()
        .ok_or(Malformed("link header"))?;
    let [_, _, _, _, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *header;
    let mut link = Link {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        up: u32::from_ne_bytes([f0, f1, f2, f3]) & IFF_UP != 0,
        ..Link::default()
    };
    for attribute in attributes(rest) {
        let (kind, payload) = attribute?;
        match kind {
            IFLA_IFNAME => link.name = nul_terminated(payload),
            IFLA_MTU => link.mtu = u32_of(payload)?,
            IFLA_MASTER => link.master = Some(u32_of(payload)?),
            IFLA_GROUP => link.group = u32_of(payload)?,
            IFLA_ADDRESS => link.address = payload.to_vec(),
            IFLA_OPERSTATE => {
                link.operational = matches!(payload, [OPERSTATE_UNKNOWN | OPERSTATE_UP]);
            }
            IFLA_LINKINFO => link.kind = link_kind(payload)?,
            _ => {}
        }
    }
    Ok(link)
}

fn link_kind(info: &[u8]) -> Result<String, Malformed> {
    for attribute in attributes(info) {
        if let (IFLA_INFO_KIND, payload) = attribute? {
            return Ok(nul_terminated(payload));
        }
    }
    Ok(String::new())
}
