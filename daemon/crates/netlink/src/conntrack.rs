//! Connection tracking: forgetting connections whose ends have a new owner.
//!
//! The kernel deletes by a filter. Its filter for addresses of IPv6 is the wrong way round
//! (`ctnetlink_filter_match_tuple`: what equals the address is kept and all else deleted), so connections of
//! IPv6 are listed, and those that are meant deleted one by one.

use std::net::IpAddr;

use rustix::io::Errno;

use crate::attribute::{Attributes, Malformed, NESTED, attributes};
use crate::error::Error;
use crate::message::Message;
use crate::socket::Socket;

/// `NFNL_SUBSYS_CTNETLINK << 8`.
const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = SUBSYSTEM;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
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

/// Deletions that go in one datagram.
const TOGETHER: usize = 256;

/// Connections to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// Those that this address opened.
    OpenedBy(IpAddr),
    /// Those that it answers, also where they reached it by NAT.
    AnsweredBy(IpAddr),
    /// Those that were opened to a port and that `address` answers.
    LedTo {
        /// Who answers.
        address: IpAddr,
        /// IANA's number.
        protocol: u8,
        /// The port, as the client knows it.
        host_port: u16,
    },
}

/// Forgets connections; that there are none is no error.
///
/// # Errors
/// The first refusal; a kernel that cannot filter refuses (before Linux 5.8).
pub fn forget(socket: &mut Socket, which: &[Forgotten]) -> Result<(), Error> {
    let (four, six): (Vec<_>, Vec<_>) = which.iter().partition(|one| one.address().is_ipv4());
    let four: Vec<_> = four.into_iter().map(by_filter).collect();
    let outcome = socket.request(&four);
    if six.is_empty() {
        return outcome;
    }
    let meant = socket.dump(&list_of_ipv6(), |kind, body| {
        if kind != NEW {
            return Ok(None);
        }
        let entry = Entry::read(body)?;
        let is_meant = six.iter().any(|one| entry.is(one));
        Ok(is_meant.then(|| entry.deletion()))
    })?;
    for messages in meant.chunks(TOGETHER) {
        match socket.request(messages) {
            // It has ended meanwhile.
            Err(error) if error.errno() == Some(Errno::NOENT) => {}
            other => other?,
        }
    }
    outcome
}

impl Forgotten {
    fn address(&self) -> IpAddr {
        match *self {
            Self::OpenedBy(address) | Self::AnsweredBy(address) | Self::LedTo { address, .. } => {
                address
            }
        }
    }
}

/// For IPv4.
fn by_filter(which: &Forgotten) -> Message {
    let what = format!("forget connections of {}", which.address());
    Message::new(DELETE, 0, what, &[AF_INET, 0, 0, 0]).with(|entry| {
        let source = |tuple: &mut Attributes| {
            tuple.nest(CTA_TUPLE_IP, |ip| put_source(ip, which.address()));
        };
        let (original, reply) = match *which {
            Forgotten::OpenedBy(_) => {
                entry.nest(CTA_TUPLE_ORIG, source);
                (FILTER_SOURCE, 0)
            }
            Forgotten::AnsweredBy(_) => {
                entry.nest(CTA_TUPLE_REPLY, source);
                (0, FILTER_SOURCE)
            }
            Forgotten::LedTo {
                protocol,
                host_port,
                ..
            } => {
                entry.nest(CTA_TUPLE_ORIG, |t| {
                    t.nest(CTA_TUPLE_PROTO, |p| {
                        p.bytes(CTA_PROTO_NUM, &[protocol])
                            .bytes(CTA_PROTO_DST_PORT, &host_port.to_be_bytes());
                    });
                });
                entry.nest(CTA_TUPLE_REPLY, source);
                (FILTER_PORT, FILTER_SOURCE)
            }
        };
        entry.nest(CTA_FILTER, |f| {
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

fn list_of_ipv6() -> Message {
    Message::new(GET, 0, "list connections", &[AF_INET6, 0, 0, 0])
}

/// A connection of IPv6 as the kernel lists it.
#[derive(Debug, Default)]
struct Entry<'a> {
    original: &'a [u8],
    reply: &'a [u8],
    zone: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let attributes_of_it = body.get(4..).ok_or(Malformed("connection header"))?;
        let mut entry = Self::default();
        for attribute in attributes(attributes_of_it) {
            match attribute? {
                (CTA_TUPLE_ORIG, tuple) => entry.original = tuple,
                (CTA_TUPLE_REPLY, tuple) => entry.reply = tuple,
                (CTA_ZONE, zone) => entry.zone = Some(zone),
                (CTA_ID, id) => entry.id = Some(id),
                _ => {}
            }
        }
        Ok(entry)
    }

    fn is(&self, which: &Forgotten) -> bool {
        let from = |tuple, address: IpAddr| {
            let IpAddr::V6(address) = address else {
                return false;
            };
            within(tuple, [CTA_TUPLE_IP, CTA_IP_V6_SRC]) == Some(&address.octets())
        };
        match *which {
            Forgotten::OpenedBy(address) => from(self.original, address),
            Forgotten::AnsweredBy(address) => from(self.reply, address),
            Forgotten::LedTo {
                address,
                protocol,
                host_port,
            } => {
                let of = |kind| within(self.original, [CTA_TUPLE_PROTO, kind]);
                from(self.reply, address)
                    && of(CTA_PROTO_NUM) == Some(&[protocol])
                    && of(CTA_PROTO_DST_PORT) == Some(&host_port.to_be_bytes())
            }
        }
    }

    /// By its number too: another connection may have the same ends by then.
    fn deletion(&self) -> Message {
        Message::new(DELETE, 0, "forget a connection", &[AF_INET6, 0, 0, 0]).with(|entry| {
            entry.bytes(CTA_TUPLE_ORIG | NESTED, self.original);
            for (kind, payload) in [(CTA_ZONE, self.zone), (CTA_ID, self.id)] {
                if let Some(payload) = payload {
                    entry.bytes(kind, payload);
                }
            }
        })
    }
}

/// An attribute of an attribute; `None` also for what cannot be read.
fn within(bytes: &[u8], [outer, inner]: [u16; 2]) -> Option<&[u8]> {
    let find = |bytes, wanted| {
        attributes(bytes)
            .flatten()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, payload)| payload)
    };
    find(find(bytes, outer)?, inner)
}
