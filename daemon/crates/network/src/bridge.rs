//! The host's side of a bridge network: the device, its address, its kernel settings.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use gantry_netlink::{Socket, route};
use ipnet::Ipv4Net;

use crate::error::NetworkError;

/// A bridge as it shall be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    /// The host's own address, of which the Ethernet address is made, and the subnet.
    pub(crate) address: Ipv4Net,
    /// Does the host get that address?
    pub(crate) host_address: bool,
    /// In bytes.
    pub(crate) mtu: u32,
}

/// Makes sure that a bridge of our own is there, up, and has its address; returns its index.
pub(crate) fn ensure(socket: &mut Socket, wanted: &Wanted<'_>) -> Result<u32, NetworkError> {
    let index = match route::link(socket, wanted.name).map_err(NetworkError::Links)? {
        Some(link) => {
            if !link.up {
                socket
                    .request(&[route::set_up(link.index)])
                    .map_err(NetworkError::Links)?;
            }
            link.index
        }
        None => create(socket, wanted.name, wanted.address.addr(), wanted.mtu)?,
    };
    let address = route::Address {
        link: index,
        ip: wanted.address.addr(),
        prefix: wanted.address.prefix_len(),
    };
    let present = route::addresses(socket).map_err(NetworkError::Links)?;
    let is_wanted = |a: &route::Address| wanted.host_address && *a == address;
    let mut messages: Vec<_> = present
        .iter()
        .filter(|a| a.link == index && !is_wanted(a))
        .map(|a| route::delete_address(*a))
        .collect();
    if wanted.host_address && !present.contains(&address) {
        messages.push(route::add_address(address));
    }
    socket.request(&messages).map_err(NetworkError::Links)?;
    Ok(index)
}

/// Uses a bridge that somebody else made: gives it `address` beside those it has, and its index.
pub(crate) fn adopt(
    socket: &mut Socket,
    name: &str,
    address: Ipv4Net,
) -> Result<u32, NetworkError> {
    let bad = |why: &str| NetworkError::BadBridge(format!("{name} {why}"));
    let link = match route::link(socket, name).map_err(NetworkError::Links)? {
        None => return Err(bad("does not exist")),
        Some(link) if link.kind != "bridge" => return Err(bad("is not a bridge")),
        Some(link) => link.index,
    };
    let (ip, prefix) = (address.addr(), address.prefix_len());
    let wanted = route::Address { link, ip, prefix };
    let present = route::addresses(socket).map_err(NetworkError::Links)?;
    let mut messages = vec![route::set_up(link)];
    if !present.contains(&wanted) {
        messages.push(route::add_address(wanted));
    }
    socket.request(&messages).map_err(NetworkError::Links)?;
    Ok(link)
}

fn create(socket: &mut Socket, name: &str, ip: Ipv4Addr, mtu: u32) -> Result<u32, NetworkError> {
    let spec = route::BridgeSpec {
        name,
        mac: mac_of(ip),
        mtu,
    };
    socket
        .request(&[route::create_bridge(&spec)])
        .map_err(NetworkError::Links)?;
    let link = route::link(socket, name).map_err(NetworkError::Links)?;
    link.map(|l| l.index)
        .ok_or_else(|| NetworkError::BadBridge(format!("{name} vanished as it was made")))
}

/// The index and first IPv4 address of a bridge that the administrator made.
pub(crate) fn existing(socket: &mut Socket, name: &str) -> Result<(u32, Ipv4Net), NetworkError> {
    let bad = |why: &str| NetworkError::BadBridge(format!("{name} {why}"));
    let link = route::link(socket, name)
        .map_err(NetworkError::Links)?
        .ok_or_else(|| bad("does not exist"))?;
    if link.kind != "bridge" {
        return Err(bad("is not a bridge"));
    }
    let addresses = route::addresses(socket).map_err(NetworkError::Links)?;
    let address = addresses
        .iter()
        .find(|a| a.link == link.index)
        .and_then(|a| Ipv4Net::new(a.ip, a.prefix).ok())
        .ok_or_else(|| bad("has no IPv4 address"))?;
    Ok((link.index, address))
}

/// What the host routes to somewhere, without the default routes and without links named in `own`.
pub(crate) fn routed_networks(
    socket: &mut Socket,
    own: Option<u32>,
) -> Result<Vec<Ipv4Net>, NetworkError> {
    let routes = route::routes(socket).map_err(NetworkError::Links)?;
    let addresses = route::addresses(socket).map_err(NetworkError::Links)?;
    let by_route = routes
        .iter()
        .filter(|r| r.prefix != 0 && (r.link.is_none() || r.link != own))
        .filter_map(|r| Ipv4Net::new(r.destination, r.prefix).ok());
    let by_address = addresses
        .iter()
        .filter(|a| Some(a.link) != own)
        .filter_map(|a| Ipv4Net::new(a.ip, a.prefix).ok().map(|net| net.trunc()));
    Ok(by_route.chain(by_address).collect())
}

/// The Ethernet address of a bridge or of a container's interface, made from its address as dockerd long
/// did: whoever takes over an address (another container, a bridge that is made again) answers to the
/// same Ethernet address, so that no neighbour's cache is stale.
pub(crate) fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}

/// Lets processes of the host reach published ports by 127.0.0.1: without it the kernel refuses to
/// send from a loopback address into the bridge. The firewall drops what comes the other way.
pub(crate) fn allow_loopback_routing(bridge: &str) -> Result<(), NetworkError> {
    write_setting(&setting(&format!("conf/{bridge}/route_localnet")))
}

/// Makes the host forward packets; `true` if it did not before.
pub(crate) fn enable_forwarding() -> Result<bool, NetworkError> {
    let path = setting("ip_forward");
    let before = fs::read_to_string(&path).unwrap_or_default();
    if before.trim() == "1" {
        return Ok(false);
    }
    write_setting(&path)?;
    Ok(true)
}

/// Do frames within a bridge pass the IP firewall (`br_netfilter`)? Then rules keep containers apart, else
/// the bridge itself does.
pub(crate) fn runs_ip_firewall() -> bool {
    let setting = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    setting.is_ok_and(|value| value.trim() == "1")
}

fn setting(name: &str) -> PathBuf {
    Path::new("/proc/sys/net/ipv4").join(name)
}

fn write_setting(path: &Path) -> Result<(), NetworkError> {
    fs::write(path, "1").map_err(|source| NetworkError::File {
        step: "write",
        path: path.to_owned(),
        source,
    })
}
