//! The expressions that rules are made of.

use super::batch::Family;
use crate::attribute::Attributes;

const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;
/// `NFT_REG_VERDICT`.
const VERDICT_REGISTER: u32 = 0;
/// `NFT_REG32_00`.
const FIRST_REGISTER: u32 = 8;
/// `NFT_DYNSET_OP_UPDATE`: adds, or begins an element's time anew.
const DYNSET_UPDATE: u32 = 1;
const NFT_NAT_SNAT: u32 = 0;
const NFT_NAT_DNAT: u32 = 1;

/// A 32-bit register, 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(pub u8);

impl Register {
    fn number(self) -> u32 {
        FIRST_REGISTER + u32::from(self.0)
    }
}

/// What a packet's metadata tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MetaKey {
    /// Name of the interface it came in by, 16 bytes.
    InputInterface = 6,
    /// Name of the interface it leaves by, 16 bytes.
    OutputInterface = 7,
    /// Transport protocol, 1 byte.
    TransportProtocol = 16,
}

/// What connection tracking tells, in the machine's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CtKey {
    /// Bits of [`CtKey::ESTABLISHED`] and others.
    State = 0,
    /// Bits of [`CtKey::DESTINATION_CHANGED`] and others.
    Status = 2,
}

impl CtKey {
    /// State: packets went both ways.
    pub const ESTABLISHED: u32 = 2;
    /// State: belongs to another connection (an ICMP error).
    pub const RELATED: u32 = 4;
    /// Status: the destination was rewritten (`IPS_DST_NAT`).
    pub const DESTINATION_CHANGED: u32 = 1 << 5;
}

/// Where a payload offset is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PayloadBase {
    /// The IP header.
    Network = 1,
    /// The transport header.
    Transport = 2,
}

/// How values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Comparison {
    /// `==`.
    Equal = 0,
    /// `!=`.
    NotEqual = 1,
}

/// What is asked of the routing tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FibResult {
    /// The type of the destination address ([`FibResult::LOCAL`] …), machine order.
    DestinationType,
    /// The index of the input interface if an answer to the source would leave by it, else 0.
    ReversePath,
}

impl FibResult {
    /// `RTN_LOCAL`: an address of this host.
    pub const LOCAL: u32 = 2;
}

/// What becomes of the packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No more rules of this table's hook.
    Accept,
    /// Gone.
    Drop,
    /// Back to the chain that jumped here.
    Return,
    /// On with that chain, then back here.
    Jump(String),
}

impl Verdict {
    pub(super) fn encode(&self, data: &mut Attributes) {
        let (code, chain) = match self {
            Self::Drop => (0, None),
            Self::Accept => (1, None),
            Self::Jump(chain) => (-3_i32, Some(chain)),
            Self::Return => (-5, None),
        };
        data.nest(NFTA_DATA_VERDICT, |v| {
            v.be32(NFTA_VERDICT_CODE, code.cast_unsigned());
            if let Some(chain) = chain {
                v.string(NFTA_VERDICT_CHAIN, chain);
            }
        });
    }
}

pub(super) fn value(attributes: &mut Attributes, kind: u16, bytes: &[u8]) {
    attributes.nest(kind, |data| {
        data.bytes(NFTA_DATA_VALUE, bytes);
    });
}

/// One step of a rule; a comparison or look-up that fails ends the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Loads metadata.
    Meta {
        /// Which.
        key: MetaKey,
        /// Where to.
        to: Register,
    },
    /// Loads bytes of the packet.
    Payload {
        /// Counted from.
        base: PayloadBase,
        /// In bytes.
        offset: u32,
        /// In bytes.
        length: u32,
        /// Where to.
        to: Register,
    },
    /// Loads bytes that are known.
    Value {
        /// In network byte order where they are a number of the packet.
        bytes: Vec<u8>,
        /// Where to.
        to: Register,
    },
    /// Loads from the connection.
    Ct {
        /// Which.
        key: CtKey,
        /// Where to.
        to: Register,
    },
    /// Asks the routing tables.
    Fib {
        /// What.
        result: FibResult,
        /// Where to.
        to: Register,
    },
    /// Keeps the bits of a 4-byte register that are set in the mask (machine order).
    Mask {
        /// From and to.
        register: Register,
        /// Bits to keep.
        mask: u32,
    },
    /// Keeps the bits that are set in the mask, for values in network byte order.
    MaskBytes {
        /// From and to.
        register: Register,
        /// Bits to keep.
        mask: Vec<u8>,
    },
    /// Compares.
    Compare {
        /// With what.
        register: Register,
        /// How.
        how: Comparison,
        /// With these bytes.
        value: Vec<u8>,
    },
    /// Looks a key up in a map and loads the data.
    Lookup {
        /// Map.
        map: String,
        /// First register of the key.
        key: Register,
        /// First register of the data.
        to: Register,
    },
    /// Goes on only with a key that is in the set.
    IsIn {
        /// Set.
        set: String,
        /// First register of the key.
        key: Register,
    },
    /// Puts a key into a dynamic set, for as long as the set's elements stay; ends the rule where the set is
    /// full.
    Note {
        /// Set.
        set: String,
        /// First register of the key.
        key: Register,
    },
    /// Looks a key up in a verdict map and obeys.
    LookupVerdict {
        /// Map.
        map: String,
        /// First register of the key.
        key: Register,
    },
    /// Rewrites the destination of the connection.
    DestinationNat {
        /// Of the address.
        family: Family,
        /// Register of the address.
        address: Register,
        /// Register of the port; unchanged without.
        port: Option<Register>,
    },
    /// Rewrites the source of the connection.
    SourceNat {
        /// Of the address.
        family: Family,
        /// Register of the address.
        address: Register,
    },
    /// Rewrites the source of the connection to the address of the interface it leaves by.
    Masquerade,
    /// Decides.
    Decide(Verdict),
}

impl Expression {
    pub(super) fn encode(&self, expression: &mut Attributes) {
        expression
            .string(NFTA_EXPR_NAME, self.name())
            .nest(NFTA_EXPR_DATA, |data| self.encode_data(data));
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Meta { .. } => "meta",
            Self::Payload { .. } => "payload",
            Self::Ct { .. } => "ct",
            Self::Fib { .. } => "fib",
            Self::Mask { .. } | Self::MaskBytes { .. } => "bitwise",
            Self::Compare { .. } => "cmp",
            Self::Lookup { .. } | Self::IsIn { .. } | Self::LookupVerdict { .. } => "lookup",
            Self::Note { .. } => "dynset",
            Self::DestinationNat { .. } | Self::SourceNat { .. } => "nat",
            Self::Masquerade => "masq",
            Self::Value { .. } | Self::Decide(_) => "immediate",
        }
    }

    /// Attribute numbers are those of each expression's `NFTA_*` enum, in its order.
    fn encode_data(&self, data: &mut Attributes) {
        match self {
            Self::Meta { key, to } => {
                data.be32(1, to.number()).be32(2, *key as u32);
            }
            Self::Payload {
                base,
                offset,
                length,
                to,
            } => {
                data.be32(1, to.number())
                    .be32(2, *base as u32)
                    .be32(3, *offset)
                    .be32(4, *length);
            }
            Self::Value { bytes, to } => {
                data.be32(1, to.number());
                value(data, 2, bytes);
            }
            Self::Ct { key, to } => {
                data.be32(1, to.number()).be32(2, *key as u32);
            }
            Self::Fib { result, to } => {
                // result: 1 interface, 3 address type; flags: 1 source, 2 destination, 8 input interface
                let (result, flags) = match result {
                    FibResult::DestinationType => (3, 2),
                    FibResult::ReversePath => (1, 1 | 8),
                };
                data.be32(1, to.number()).be32(2, result).be32(3, flags);
            }
            Self::Mask { register, mask } => bitwise(data, *register, &mask.to_ne_bytes()),
            Self::MaskBytes { register, mask } => bitwise(data, *register, mask),
            Self::Compare {
                register,
                how,
                value: bytes,
            } => {
                data.be32(1, register.number()).be32(2, *how as u32);
                value(data, 3, bytes);
            }
            Self::Lookup { map, key, to } => look_up(data, map, *key, Some(to.number())),
            Self::IsIn { set, key } => look_up(data, set, *key, None),
            Self::LookupVerdict { map, key } => look_up(data, map, *key, Some(VERDICT_REGISTER)),
            Self::Note { set, key } => {
                data.string(1, set)
                    .be32(3, DYNSET_UPDATE)
                    .be32(4, key.number());
            }
            Self::DestinationNat {
                family,
                address,
                port,
            } => nat(data, (NFT_NAT_DNAT, *family), *address, *port),
            Self::SourceNat { family, address } => {
                nat(data, (NFT_NAT_SNAT, *family), *address, None);
            }
            Self::Masquerade => {}
            Self::Decide(verdict) => {
                data.be32(1, VERDICT_REGISTER)
                    .nest(2, |d| verdict.encode(d));
            }
        }
    }
}

/// `to`: the register that gets what the set holds beside the key.
fn look_up(data: &mut Attributes, set: &str, key: Register, to: Option<u32>) {
    data.string(1, set).be32(2, key.number());
    if let Some(to) = to {
        data.be32(3, to);
    }
}

fn nat(
    data: &mut Attributes,
    (kind, family): (u32, Family),
    address: Register,
    port: Option<Register>,
) {
    data.be32(1, kind)
        .be32(2, family as u32)
        .be32(3, address.number());
    if let Some(port) = port {
        data.be32(5, port.number());
    }
}

/// `register = register & mask ^ 0`.
fn bitwise(data: &mut Attributes, register: Register, mask: &[u8]) {
    let length = u32::try_from(mask.len()).expect("a register's length");
    data.be32(1, register.number())
        .be32(2, register.number())
        .be32(3, length);
    value(data, 4, mask);
    value(data, 5, &vec![0; mask.len()]);
}
