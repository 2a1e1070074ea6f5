//! Chains that are tied to a hook of the packet path.

use crate::attribute::Attributes;

const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_NUMBER: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;

/// Where on its way a packet is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Hook {
    /// Before the route is looked up.
    Prerouting = 0,
    /// On the way to a process of the host.
    Input = 1,
    /// On the way through the host.
    Forward = 2,
    /// From a process of the host.
    Output = 3,
    /// Just before it leaves.
    Postrouting = 4,
}

/// Where in the order of chains at a hook.
pub mod priority {
    /// After connection tracking, before NAT (`mangle`).
    pub const MANGLE: i32 = -150;
    /// `dstnat`.
    pub const DSTNAT: i32 = -100;
    /// `filter`.
    pub const FILTER: i32 = 0;
    /// `srcnat`.
    pub const SRCNAT: i32 = 100;
}

/// What happens to a packet that no rule decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Policy {
    /// `NF_DROP`.
    Drop = 0,
    /// `NF_ACCEPT`.
    Accept = 1,
}

/// How a chain is tied to a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseChain {
    /// Rules for every packet; what no rule decides is accepted.
    Filter {
        /// Where.
        hook: Hook,
        /// In which order.
        priority: i32,
    },
    /// Rules for the first packet of a connection.
    Nat {
        /// Where.
        hook: Hook,
        /// In which order.
        priority: i32,
    },
}

impl BaseChain {
    pub(super) fn encode(self, chain: &mut Attributes) {
        let (kind, hook, priority) = match self {
            Self::Filter { hook, priority } => ("filter", hook, priority),
            Self::Nat { hook, priority } => ("nat", hook, priority),
        };
        chain
            .nest(NFTA_CHAIN_HOOK, |h| {
                h.be32(NFTA_HOOK_NUMBER, hook as u32)
                    .be32(NFTA_HOOK_PRIORITY, priority.cast_unsigned());
            })
            .be32(NFTA_CHAIN_POLICY, Policy::Accept as u32)
            .string(NFTA_CHAIN_TYPE, kind);
    }
}
