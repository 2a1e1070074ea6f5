//! Sets and maps, and their elements.

use std::net::IpAddr;

use super::expression::{Verdict, value};
use crate::attribute::Attributes;

const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
const NFTA_SET_KEY_TYPE: u16 = 4;
const NFTA_SET_KEY_LEN: u16 = 5;
const NFTA_SET_DATA_TYPE: u16 = 6;
const NFTA_SET_DATA_LEN: u16 = 7;
const NFTA_SET_DESC: u16 = 9;
const NFTA_SET_TIMEOUT: u16 = 11;
const NFTA_SET_DESC_SIZE: u16 = 1;
const NFTA_SET_ID: u16 = 10;
const NFTA_SET_USERDATA: u16 = 13;
const NFTA_SET_DESC_CONCAT: u16 = 2;
const NFTA_SET_FIELD_LEN: u16 = 1;
const NFTA_LIST_ELEM: u16 = 1;

const NFTA_ELEM_KEY: u16 = 1;
const NFTA_ELEM_DATA: u16 = 2;
const NFTA_ELEM_FLAGS: u16 = 3;
const NFTA_ELEM_KEY_END: u16 = 10;
const INTERVAL_END: u32 = 1;

const FLAG_INTERVAL: u32 = 0x4;
const FLAG_MAP: u32 = 0x8;
const FLAG_TIMEOUT: u32 = 0x10;
/// `NFT_SET_EVAL`.
const FLAG_DYNAMIC: u32 = 0x20;
const FLAG_CONCAT: u32 = 0x80;
/// `NFT_DATA_VERDICT`.
const VERDICT_DATA: u32 = 0xffff_ff00;
/// More elements than this are not noted: whoever floods a host takes no more of its memory.
const NOTED_MAX: u32 = 65536;
/// Bits per type in the type number of a concatenation; only `nft` reads it, to print elements.
const CONCAT_BITS: u32 = 6;

/// What `nft` notes on a set whose keys are strings, without which it prints them as empty: kind 0 (byte
/// order of the key), length 4, 1 (the machine's).
const HOST_ORDER_KEY: [u8; 6] = [0, 4, 1, 0, 0, 0];

/// An interface name as rules and sets hold it.
pub(super) fn interface_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

/// The type of a field; its number is `nft`'s, for printing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    /// `ipv4_addr`.
    Address,
    /// `ipv6_addr`.
    Address6,
    /// `inet_proto`.
    Protocol,
    /// `inet_service`.
    Port,
    /// `ifname`.
    Interface,
}

impl DataType {
    fn number(self) -> u32 {
        match self {
            Self::Address => 7,
            Self::Address6 => 8,
            Self::Protocol => 12,
            Self::Port => 13,
            Self::Interface => 41,
        }
    }

    /// In bytes, without padding.
    fn length(self) -> u32 {
        match self {
            Self::Address => 4,
            Self::Address6 | Self::Interface => 16,
            Self::Protocol => 1,
            Self::Port => 2,
        }
    }
}

/// A named set or map.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    /// Name within its table.
    pub name: &'a str,
    /// Fields of the key.
    pub key: &'a [DataType],
    /// What it maps to.
    pub data: Data<'a>,
    /// May elements be ranges?
    pub interval: bool,
}

/// What a set's elements carry.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// A value of these fields.
    Fields(&'a [DataType]),
    /// A verdict.
    Verdict,
    /// Nothing: a set that rules put elements into, which stay for this many milliseconds.
    Noted {
        /// How long.
        timeout_ms: u64,
    },
}

/// Type number and length of a field or a concatenation of fields.
fn shape(fields: &[DataType]) -> (u32, u32) {
    match fields {
        [one] => (one.number(), one.length()),
        many => many.iter().fold((0, 0), |(number, length), field| {
            (
                number << CONCAT_BITS | field.number(),
                length + field.length().next_multiple_of(4),
            )
        }),
    }
}

impl Set<'_> {
    pub(super) fn encode(&self, table: &str, id: u32, set: &mut Attributes) {
        let (key_type, key_length) = shape(self.key);
        let concatenated = self.key.len() > 1;
        let mut flags = match self.data {
            Data::Fields(_) | Data::Verdict => FLAG_MAP,
            Data::Noted { .. } => FLAG_TIMEOUT | FLAG_DYNAMIC,
        };
        if self.interval {
            flags |= FLAG_INTERVAL;
        }
        if concatenated {
            flags |= FLAG_CONCAT;
        }
        set.string(NFTA_SET_TABLE, table)
            .string(NFTA_SET_NAME, self.name)
            .be32(NFTA_SET_FLAGS, flags)
            .be32(NFTA_SET_KEY_TYPE, key_type)
            .be32(NFTA_SET_KEY_LEN, key_length)
            .be32(NFTA_SET_ID, id);
        match self.data {
            Data::Fields(fields) => {
                let (data_type, data_length) = shape(fields);
                set.be32(NFTA_SET_DATA_TYPE, data_type)
                    .be32(NFTA_SET_DATA_LEN, data_length);
            }
            Data::Verdict => {
                set.be32(NFTA_SET_DATA_TYPE, VERDICT_DATA)
                    .be32(NFTA_SET_DATA_LEN, 0);
            }
            Data::Noted { timeout_ms } => {
                set.bytes(NFTA_SET_TIMEOUT, &timeout_ms.to_be_bytes());
            }
        }
        if self.key == [DataType::Interface] {
            set.bytes(NFTA_SET_USERDATA, &HOST_ORDER_KEY);
        }
        if concatenated {
            set.nest(NFTA_SET_DESC, |d| {
                if let Data::Noted { .. } = self.data {
                    d.be32(NFTA_SET_DESC_SIZE, NOTED_MAX);
                }
                d.nest(NFTA_SET_DESC_CONCAT, |c| {
                    for field in self.key {
                        c.nest(NFTA_LIST_ELEM, |f| {
                            f.be32(NFTA_SET_FIELD_LEN, field.length());
                        });
                    }
                });
            });
        }
    }
}

/// One field of a key or of data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// `ipv4_addr` or `ipv6_addr`.
    Address(IpAddr),
    /// `inet_proto`.
    Protocol(u8),
    /// `inet_service`.
    Port(u16),
    /// `ifname`.
    Interface(String),
}

impl Value {
    fn append(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Address(IpAddr::V4(ip)) => bytes.extend_from_slice(&ip.octets()),
            Self::Address(IpAddr::V6(ip)) => bytes.extend_from_slice(&ip.octets()),
            Self::Protocol(number) => bytes.push(*number),
            Self::Port(port) => bytes.extend_from_slice(&port.to_be_bytes()),
            Self::Interface(name) => bytes.extend_from_slice(&interface_name(name)),
        }
    }
}

/// One field is as long as it is; each of several is padded to four bytes.
fn join(fields: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        field.append(&mut bytes);
        if fields.len() > 1 {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    bytes
}

/// One element of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    key: Vec<u8>,
    key_end: Option<Vec<u8>>,
    data: Option<ElementData>,
    interval_end: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ElementData {
    Bytes(Vec<u8>),
    Verdict(Verdict),
}

impl Element {
    fn new(key: &[Value], data: Option<ElementData>) -> Self {
        Self {
            key: join(key),
            key_end: None,
            data,
            interval_end: false,
        }
    }

    /// Maps a key to values.
    #[must_use]
    pub fn value(key: &[Value], data: &[Value]) -> Self {
        Self::new(key, Some(ElementData::Bytes(join(data))))
    }

    /// Maps a key to a verdict.
    #[must_use]
    pub fn verdict(key: &[Value], verdict: Verdict) -> Self {
        Self::new(key, Some(ElementData::Verdict(verdict)))
    }

    /// Maps all concatenated keys between two (inclusive, field by field) to values.
    #[must_use]
    pub fn range(first: &[Value], last: &[Value], data: &[Value]) -> Self {
        debug_assert!(first.len() > 1, "ranges of one field are two elements");
        Self {
            key_end: Some(join(last)),
            ..Self::value(first, data)
        }
    }

    /// Maps all concatenated keys between two (inclusive, field by field) to a verdict.
    #[must_use]
    pub fn range_verdict(first: &[Value], last: &[Value], verdict: Verdict) -> Self {
        debug_assert!(first.len() > 1, "ranges of one field are two elements");
        Self {
            key_end: Some(join(last)),
            ..Self::verdict(first, verdict)
        }
    }

    /// Maps all addresses of a network to a verdict, in a map with one field and intervals: the first
    /// address with its verdict, and a mark at the first address after the network.
    #[must_use]
    pub fn network_verdict(network: IpAddr, prefix: u8, verdict: Verdict) -> Vec<Self> {
        let after: Option<IpAddr> = match network {
            IpAddr::V4(network) => 1_u32
                .checked_shl(32_u32.saturating_sub(prefix.into()))
                .and_then(|size| u32::from(network).checked_add(size))
                .map(|after| IpAddr::V4(after.into())),
            IpAddr::V6(network) => 1_u128
                .checked_shl(128_u32.saturating_sub(prefix.into()))
                .and_then(|size| u128::from(network).checked_add(size))
                .map(|after| IpAddr::V6(after.into())),
        };
        let mut elements = vec![Self::verdict(&[Value::Address(network)], verdict)];
        // A network that ends at the last address has none after it and needs no mark.
        if let Some(after) = after {
            let mark = Self::new(&[Value::Address(after)], None);
            elements.push(Self {
                interval_end: true,
                ..mark
            });
        }
        elements
    }

    pub(super) fn encode(&self, list: &mut Attributes) {
        list.nest(NFTA_LIST_ELEM, |element| {
            if self.interval_end {
                element.be32(NFTA_ELEM_FLAGS, INTERVAL_END);
            }
            value(element, NFTA_ELEM_KEY, &self.key);
            if let Some(end) = &self.key_end {
                value(element, NFTA_ELEM_KEY_END, end);
            }
            match &self.data {
                Some(ElementData::Bytes(bytes)) => value(element, NFTA_ELEM_DATA, bytes),
                Some(ElementData::Verdict(verdict)) => {
                    element.nest(NFTA_ELEM_DATA, |d| verdict.encode(d));
                }
                None => {}
            }
        });
    }
}
