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
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
/// `CTA_FILTER_FLAG(CTA_IP_SRC)`.
const FILTER_SOURCE: u32 = 1;

/// `CTA_FILTER_FLAG(CTA_PROTO_NUM)` and `CTA_FILTER_FLAG(CTA_PROTO_DST_PORT)`.
const FILTER_PORT: u32 = 1 << 3 | 1 << 5;

/// Forgets every connection that was opened to a port of the host and is answered by `address`. `protocol` is
/// IANA's number.
#[must_use]
pub fn forget_led_to(address: IpAddr, protocol: u8, host_port: u16) -> Message {
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    Message::new(
        DELETE,
        0,
        format!("forget connections of port {host_port} to {address}"),
        &[family, 0, 0, 0],
    )
    .with(|entry| {
        entry
            .nest(CTA_TUPLE_ORIG, |t| {
                t.nest(CTA_TUPLE_PROTO, |p| {
                    p.bytes(CTA_PROTO_NUM, &[protocol])
                        .bytes(CTA_PROTO_DST_PORT, &host_port.to_be_bytes());
                });
            })
            .nest(CTA_TUPLE_REPLY, |t| {
                t.nest(CTA_TUPLE_IP, |ip| put_source(ip, address));
            })
            .nest(CTA_FILTER, |f| {
                f.u32(CTA_FILTER_ORIG_FLAGS, FILTER_PORT)
                    .u32(CTA_FILTER_REPLY_FLAGS, FILTER_SOURCE);
            });
    })
}

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
                t.nest(CTA_TUPLE_IP, |ip| put_source(ip, address));
            })
            .nest(CTA_FILTER, |f| {
                f.u32(CTA_FILTER_ORIG_FLAGS, original)
                    .u32(CTA_FILTER_REPLY_FLAGS, reply);
            });
    })
}

fn put_source(ip: &mut Attributes, address: IpAddr) {
    match address {
        IpAddr::V4(address) => drop(ip.bytes(CTA_IP_V4_SRC, &address.octets())),
        IpAddr::V6(address) => drop(ip.bytes(CTA_IP_V6_SRC, &address.octets())),
    }
}
