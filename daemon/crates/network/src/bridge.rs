//! The host's side of a bridge network: the device, its address, its kernel settings.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use gantry_netlink::{Socket, route};
use ipnet::{IpNet, Ipv4Net};

use crate::error::NetworkError;

/// A bridge as it shall be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    /// The network's first address, of which the Ethernet address is made.
    pub(crate) identity: IpAddr,
    /// The addresses that the host gets, with their subnets.
    pub(crate) addresses: &'a [IpNet],
    /// In bytes.
    pub(crate) mtu: u32,
}

/// Makes sure that a bridge of our own is there and up; returns its index.
pub(crate) fn prepare(socket: &mut Socket, wanted: &Wanted<'_>) -> Result<u32, NetworkError> {
    let index = match route::link(socket, wanted.name).map_err(NetworkError::Links)? {
        Some(link) => {
            if !link.up {
                socket
                    .request(&[route::set_up(link.index)])
                    .map_err(NetworkError::Links)?;
            }
            link.index
        }
        None => create(socket, wanted.name, wanted.identity, wanted.mtu)?,
    };
    Ok(index)
}

/// Makes sure that a bridge of our own is there, up, and has its addresses; returns its index.
pub(crate) fn ensure(socket: &mut Socket, wanted: &Wanted<'_>) -> Result<u32, NetworkError> {
    let index = prepare(socket, wanted)?;
    let present = route::addresses(socket).map_err(NetworkError::Links)?;
    let present: Vec<_> = present.iter().filter(|a| a.link == index).collect();
    let addresses: Vec<_> = wanted
        .addresses
        .iter()
        .map(|net| address_on(index, *net))
        .collect();
    // The link-local address is the kernel's.
    let stale = present
        .iter()
        .filter(|a| !addresses.contains(a) && !is_link_local(a.ip));
    let mut messages: Vec<_> = stale.map(|a| route::delete_address(**a)).collect();
    let missing = addresses.iter().filter(|a| !present.contains(a));
    messages.extend(missing.map(|a| route::add_address(*a)));
    socket.request(&messages).map_err(NetworkError::Links)?;
    Ok(index)
}

fn address_on(link: u32, net: IpNet) -> route::Address {
    route::Address {
        link,
        ip: net.addr(),
        prefix: net.prefix_len(),
    }
}

/// Is it an IPv6 address that every link has of itself?
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Uses a bridge that somebody else made: gives it addresses beside those it has, and its index.
pub(crate) fn adopt(
    socket: &mut Socket,
    name: &str,
    addresses: &[IpNet],
) -> Result<u32, NetworkError> {
    let bad = |why: &str| NetworkError::BadBridge(format!("{name} {why}"));
    let link = match route::link(socket, name).map_err(NetworkError::Links)? {
        None => return Err(bad("does not exist")),
        Some(link) if link.kind != "bridge" => return Err(bad("is not a bridge")),
        Some(link) => link.index,
    };
    let present = route::addresses(socket).map_err(NetworkError::Links)?;
    let mut messages = vec![route::set_up(link)];
    let wanted = addresses.iter().map(|net| address_on(link, *net));
    let missing = wanted.filter(|a| !present.contains(a));
    messages.extend(missing.map(route::add_address));
    socket.request(&messages).map_err(NetworkError::Links)?;
    Ok(link)
}

fn create(socket: &mut Socket, name: &str, ip: IpAddr, mtu: u32) -> Result<u32, NetworkError> {
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
        .filter(|a| a.link == link.index)
        .find_map(|a| match a.ip {
            IpAddr::V4(ip) => Ipv4Net::new(ip, a.prefix).ok(),
            IpAddr::V6(_) => None,
        })
        .ok_or_else(|| bad("has no IPv4 address"))?;
    Ok((link.index, address))
}

/// What the host routes to somewhere, without the default routes and without links named in `own`.
pub(crate) fn routed_networks(
    socket: &mut Socket,
    own: Option<u32>,
) -> Result<Vec<IpNet>, NetworkError> {
    let routes = route::routes(socket).map_err(NetworkError::Links)?;
    let addresses = route::addresses(socket).map_err(NetworkError::Links)?;
    let by_route = routes
        .iter()
        .filter(|r| r.prefix != 0 && (r.link.is_none() || r.link != own))
        .filter_map(|r| IpNet::new(r.destination, r.prefix).ok());
    let by_address = addresses
        .iter()
        .filter(|a| Some(a.link) != own)
        .filter_map(|a| IpNet::new(a.ip, a.prefix).ok().map(|net| net.trunc()));
    Ok(by_route.chain(by_address).collect())
}

/// The Ethernet address of a bridge or of a container's interface, made from its address as dockerd long
/// did: whoever takes over an address (another container, a bridge that is made again) answers to the
/// same Ethernet address, so that no neighbour's cache is stale.
pub(crate) fn mac_of(address: IpAddr) -> [u8; 6] {
    let [a, b, c, d] = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => folded(address.octets()),
    };
    [0x02, 0x42, a, b, c, d]
}

/// Four bytes of sixteen, in which neighbouring addresses differ (FNV-1a).
fn folded(octets: [u8; 16]) -> [u8; 4] {
    let fold = |hash: u32, octet: &u8| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193);
    octets.iter().fold(0x811c_9dc5, fold).to_be_bytes()
}

/// Lets processes of the host reach published ports by 127.0.0.1: without it the kernel refuses to
/// send from a loopback address into the bridge. The firewall drops what comes the other way.
pub(crate) fn allow_loopback_routing(bridge: &str) -> Result<(), NetworkError> {
    write_setting(&setting(&format!("conf/{bridge}/route_localnet")), "1")
}

/// Has this kernel IPv6?
pub(crate) fn kernel_has_ipv6() -> bool {
    Path::new(IPV6).is_dir()
}

/// A bridge of a network with IPv6: routers in it are not obeyed, and its link-local address, by which the
/// host looks for containers on behalf of others, is not tried out for a second first.
pub(crate) fn settle_ipv6(bridge: &str) -> Result<(), NetworkError> {
    let conf = Path::new(IPV6).join("conf").join(bridge);
    write_setting(&conf.join("disable_ipv6"), "0")?;
    write_setting(&conf.join("accept_dad"), "0")?;
    write_setting(&conf.join("accept_ra"), "0")
}

/// Makes the host forward packets of IPv6; `true` if it did not before. Devices that learn their routes
/// from routers go on doing so, which a forwarding host by default does not (`accept_ra`, ip-sysctl).
pub(crate) fn enable_forwarding_v6() -> Result<bool, NetworkError> {
    let conf = Path::new(IPV6).join("conf");
    let before = fs::read_to_string(conf.join("all/forwarding")).unwrap_or_default();
    if before.trim() == "1" {
        return Ok(false);
    }
    for device in fs::read_dir(&conf).into_iter().flatten().flatten() {
        let path = device.path().join("accept_ra");
        if fs::read_to_string(&path).is_ok_and(|value| value.trim() == "1") {
            write_setting(&path, "2")?;
        }
    }
    write_setting(&conf.join("default/forwarding"), "1")?;
    write_setting(&conf.join("all/forwarding"), "1")?;
    Ok(true)
}

const IPV6: &str = "/proc/sys/net/ipv6";

/// Makes the host forward packets; `true` if it did not before.
pub(crate) fn enable_forwarding() -> Result<bool, NetworkError> {
    let path = setting("ip_forward");
    let before = fs::read_to_string(&path).unwrap_or_default();
    if before.trim() == "1" {
        return Ok(false);
    }
    write_setting(&path, "1")?;
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

fn write_setting(path: &Path, value: &str) -> Result<(), NetworkError> {
    fs::write(path, value).map_err(|source| NetworkError::File {
        step: "write",
        path: path.to_owned(),
        source,
    })
}
