//! Connection tracking: forgetting the connections of an address that has a new owner.

use std::net::Ipv4Addr;

use crate::attribute::Attributes;
use crate::message::Message;

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = 1 << 8 | 2;
const AF_INET: u8 = 2;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_FILTER: u16 = 25;
const CTA_TUPLE_IP: u16 = 1;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
/// `CTA_FILTER_FLAG(CTA_IP_SRC)`.
const FILTER_SOURCE: u32 = 1;

/// Forgets every connection that `address` opened.
#[must_use]
pub fn forget_opened_by(address: Ipv4Addr) -> Message {
    forget(address, CTA_TUPLE_ORIG, (FILTER_SOURCE, 0))
}

/// Forgets every connection that `address` answers, also those that reached it by NAT.
#[must_use]
pub fn forget_answered_by(address: Ipv4Addr) -> Message {
    forget(address, CTA_TUPLE_REPLY, (0, FILTER_SOURCE))
}

fn forget(address: Ipv4Addr, tuple: u16, (original, reply): (u32, u32)) -> Message {
    let source = |ip: &mut Attributes| {
        ip.bytes(CTA_IP_V4_SRC, &address.octets());
    };
    Message::new(
        DELETE,
        0,
        format!("forget connections of {address}"),
        &[AF_INET, 0, 0, 0],
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
