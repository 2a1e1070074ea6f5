//! IP addresses of links.

use std::net::{IpAddr, Ipv4Addr};

use super::{AF_INET, AF_INET6, AF_UNSPEC, family, ip_of, octets};
use crate::attribute::{Malformed, attributes};
use crate::error::Error;
use crate::message::{CREATE, EXCLUSIVE, Message};
use crate::socket::Socket;

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
/// No duplicate of an IPv6 address is looked for: it can be used at once.
const IFA_F_NODAD: u8 = 2;

/// An address on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Index of the link.
    pub link: u32,
    /// The address.
    pub ip: IpAddr,
    /// Length of the network's prefix.
    pub prefix: u8,
}

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index.
fn header(address: Address) -> [u8; 8] {
    let [a, b, c, d] = address.link.to_ne_bytes();
    let flags = if address.ip.is_ipv6() { IFA_F_NODAD } else { 0 };
    [family(address.ip), address.prefix, flags, 0, a, b, c, d]
}

/// Gives a link an address; the kernel adds the route to its network.
#[must_use]
pub fn add_address(address: Address) -> Message {
    let what = format!(
        "add address {}/{} to link {}",
        address.ip, address.prefix, address.link
    );
    Message::new(RTM_NEWADDR, CREATE | EXCLUSIVE, what, &header(address)).with(|attributes| {
        attributes
            .bytes(IFA_LOCAL, &octets(address.ip))
            .bytes(IFA_ADDRESS, &octets(address.ip));
        if let IpAddr::V4(ip) = address.ip
            && address.prefix < 31
        {
            let host_bits = u32::MAX.checked_shr(u32::from(address.prefix)).unwrap_or(0);
            let broadcast = Ipv4Addr::from(u32::from(ip) | host_bits);
            attributes.bytes(IFA_BROADCAST, &broadcast.octets());
        }
    })
}

/// Takes an address off a link.
#[must_use]
pub fn delete_address(address: Address) -> Message {
    let what = format!(
        "delete address {}/{} of link {}",
        address.ip, address.prefix, address.link
    );
    Message::new(RTM_DELADDR, 0, what, &header(address)).with(|attributes| {
        attributes
            .bytes(IFA_LOCAL, &octets(address.ip))
            .bytes(IFA_ADDRESS, &octets(address.ip));
    })
}

/// All IP addresses of the socket's namespace.
pub fn addresses(socket: &mut Socket) -> Result<Vec<Address>, Error> {
    let message = Message::new(
        RTM_GETADDR,
        0,
        "list addresses",
        &[AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0],
    );
    socket.dump(&message, |kind, body| {
        if kind == RTM_NEWADDR {
            read(body)
        } else {
            Ok(None)
        }
    })
}

fn read(body: &[u8]) -> Result<Option<Address>, Malformed> {
    let (header, rest) = body
        .split_first_chunk::<8>()
        .ok_or(Malformed("address header"))?;
    let [family, prefix, _, _, i0, i1, i2, i3] = *header;
    if !matches!(family, AF_INET | AF_INET6) {
        return Ok(None);
    }
    let mut ip = None;
    for attribute in attributes(rest) {
        match attribute? {
            (IFA_LOCAL, payload) => ip = Some(ip_of(payload, "address")?),
            // An IPv6 address of a link that is no tunnel has only this.
            (IFA_ADDRESS, payload) if ip.is_none() && family == AF_INET6 => {
                ip = Some(ip_of(payload, "address")?);
            }
            _ => {}
        }
    }
    let link = u32::from_ne_bytes([i0, i1, i2, i3]);
    Ok(ip.map(|ip| Address { link, ip, prefix }))
}
