//! Connection tracking: forgetting the connections of an address that has a new owner.

use std::net::IpAddr;

use crate::attribute::Attributes;
use crate::message::Message;

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = 1 << 8 | 2;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_FILTER: u16 = 25;
const CTA_TUPLE_IP: u16 = 1;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
/// `CTA_FILTER_FLAG(CTA_IP_SRC)`.
const FILTER_SOURCE: u32 = 1;

/// Forgets every connection that `address` opened.
#[must_use]
pub fn forget_opened_by(address: IpAddr) -> Message {
    forget(address, CTA_TUPLE_ORIG, (FILTER_SOURCE, 0))
}

/// Forgets every connection that `address` answers, also those that reached it by NAT.
#[must_use]
pub fn forget_answered_by(address: IpAddr) -> Message {
    forget(address, CTA_TUPLE_REPLY, (0, FILTER_SOURCE))
}

fn forget(address: IpAddr, tuple: u16, (original, reply): (u32, u32)) -> Message {
    let source = |ip: &mut Attributes| match address {
        IpAddr::V4(address) => drop(ip.bytes(CTA_IP_V4_SRC, &address.octets())),
        IpAddr::V6(address) => drop(ip.bytes(CTA_IP_V6_SRC, &address.octets())),
    };
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    Message::new(
        DELETE,
        0,
        format!("forget connections of {address}"),
        &[family, 0, 0, 0],
    )
    .with(|entry| {
        entry
            .nest(tuple, |t| {
                t.nest(CTA_TUPLE_IP, source);
            })
            .nest(CTA_FILTER, |f| {
                f.u32(CTA_FILTER_ORIG_FLAGS, original)
                    .u32(CTA_FILTER_REPLY_FLAGS, reply);
            });
    })
}
