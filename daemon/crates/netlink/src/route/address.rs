//! IPv4 addresses of links.

use std::net::Ipv4Addr;

use super::AF_INET;
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

/// An address on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Index of the link.
    pub link: u32,
    /// The address.
    pub ip: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix: u8,
}

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index.
fn header(address: Address) -> [u8; 8] {
    let [a, b, c, d] = address.link.to_ne_bytes();
    [AF_INET, address.prefix, 0, 0, a, b, c, d]
}

/// Gives a link an address; the kernel adds the route to its network.
#[must_use]
pub fn add_address(address: Address) -> Message {
    let what = format!(
        "add address {}/{} to link {}",
        address.ip, address.prefix, address.link
    );
    let host_bits = u32::MAX.checked_shr(u32::from(address.prefix)).unwrap_or(0);
    let broadcast = Ipv4Addr::from(u32::from(address.ip) | host_bits);
    Message::new(RTM_NEWADDR, CREATE | EXCLUSIVE, what, &header(address)).with(|attributes| {
        attributes
            .bytes(IFA_LOCAL, &address.ip.octets())
            .bytes(IFA_ADDRESS, &address.ip.octets());
        if address.prefix < 31 {
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
            .bytes(IFA_LOCAL, &address.ip.octets())
            .bytes(IFA_ADDRESS, &address.ip.octets());
    })
}

/// All IPv4 addresses of the socket's namespace.
pub fn addresses(socket: &mut Socket) -> Result<Vec<Address>, Error> {
    let message = Message::new(
        RTM_GETADDR,
        0,
        "list addresses",
        &[AF_INET, 0, 0, 0, 0, 0, 0, 0],
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
    if family != AF_INET {
        return Ok(None);
    }
    for attribute in attributes(rest) {
        if let (IFA_LOCAL, payload) = attribute? {
            let octets: [u8; 4] = payload.try_into().map_err(|_| Malformed("address"))?;
            let link = u32::from_ne_bytes([i0, i1, i2, i3]);
            return Ok(Some(Address {
                link,
                ip: octets.into(),
                prefix,
            }));
        }
    }
    Ok(None)
}
