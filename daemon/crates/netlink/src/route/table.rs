//! IP routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{AF_INET, AF_INET6, AF_UNSPEC, family, ip_of, octets};
use crate::attribute::{Malformed, attributes, u32_of};
use crate::error::Error;
use crate::message::{CREATE, Message, REPLACE};
use crate::socket::Socket;

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;

const TABLE_MAIN: u8 = 254;
const TABLE_LOCAL: u8 = 255;
/// `RTPROT_BOOT`: what `ip route add` writes.
const PROTOCOL_BOOT: u8 = 3;
const TYPE_UNICAST: u8 = 1;
const SCOPE_LINK: u8 = 253;

/// A unicast route of any table but the kernel's own list of local addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination network.
    pub destination: IpAddr,
    /// Length of its prefix; 0 is the default route.
    pub prefix: u8,
    /// Index of the link that it leads to, unless it has several.
    pub link: Option<u32>,
    /// Next hop.
    pub gateway: Option<IpAddr>,
}

/// Sends everything of the family that has no better route out by `link`, to whoever is there.
#[must_use]
pub fn replace_default_route_on_link(family: IpAddr, link: u32) -> Message {
    let scope = if family.is_ipv4() { SCOPE_LINK } else { 0 };
    let family = self::family(family);
    let header = [
        family,
        0,
        0,
        0,
        TABLE_MAIN,
        PROTOCOL_BOOT,
        scope,
        TYPE_UNICAST,
        0,
        0,
        0,
        0,
    ];
    let what = format!("set default route through link {link}");
    Message::new(RTM_NEWROUTE, CREATE | REPLACE, what, &header).with(|attributes| {
        attributes.u32(RTA_OIF, link);
    })
}

/// Sends everything of the gateway's family that has no better route to `gateway`, whatever it was sent
/// to before.
#[must_use]
pub fn replace_default_route(gateway: IpAddr, link: u32) -> Message {
    let header = [
        family(gateway),
        0,
        0,
        0,
        TABLE_MAIN,
        PROTOCOL_BOOT,
        0,
        TYPE_UNICAST,
        0,
        0,
        0,
        0,
    ];
    let what = format!("set default route through {gateway}");
    Message::new(RTM_NEWROUTE, CREATE | REPLACE, what, &header).with(|attributes| {
        attributes
            .bytes(RTA_GATEWAY, &octets(gateway))
            .u32(RTA_OIF, link);
    })
}

/// All unicast IP routes of the socket's namespace.
pub fn routes(socket: &mut Socket) -> Result<Vec<Route>, Error> {
    let header = [AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let message = Message::new(RTM_GETROUTE, 0, "list routes", &header);
    socket.dump(&message, |kind, body| {
        if kind == RTM_NEWROUTE {
            read(body)
        } else {
            Ok(None)
        }
    })
}

fn read(body: &[u8]) -> Result<Option<Route>, Malformed> {
    let (header, rest) = body
        .split_first_chunk::<12>()
        .ok_or(Malformed("route header"))?;
    let [family, prefix, _, _, table, _, _, kind, ..] = *header;
    let any = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return Ok(None),
    };
    if table == TABLE_LOCAL || kind != TYPE_UNICAST {
        return Ok(None);
    }
    let ip = |payload: &[u8]| ip_of(payload, "route address");
    let mut route = Route {
        destination: any,
        prefix,
        link: None,
        gateway: None,
    };
    for attribute in attributes(rest) {
        let (kind, payload) = attribute?;
        match kind {
            RTA_DST => route.destination = ip(payload)?,
            RTA_OIF => route.link = Some(u32_of(payload)?),
            RTA_GATEWAY => route.gateway = Some(ip(payload)?),
            _ => {}
        }
    }
    Ok(Some(route))
}
