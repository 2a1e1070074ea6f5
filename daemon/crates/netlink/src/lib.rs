//! rtnetlink, nf_tables and conntrack messages over a synchronous socket.
//!
//! Owns the encoding of what the engine asks of the kernel's network, the reading of answers with
//! limits, and nothing of what is asked for: which link, which rule, which address is the caller's
//! (`gantry-network`).
//!
//! * [`Message`] and [`Attributes`] write, [`attributes`] reads; both are pure.
//! * [`Socket`] sends one datagram of many messages and matches the answers by sequence number.
//! * [`route`] knows links, addresses, routes and forwarding entries.
//! * [`nft`] knows one atomic [`nft::Batch`] of tables, chains, sets, elements and rules.
//! * [`conntrack`] forgets connections.
//!
//! A socket belongs to the network namespace of the thread that opened it, for ever.

mod attribute;
pub mod conntrack;
mod error;
mod message;
pub mod nft;
pub mod route;
mod socket;

pub use attribute::{Attributes, Malformed, attributes, nul_terminated, u32_of};
pub use error::{Error, Refusal};
pub use message::Message;
pub use socket::{Protocol, Socket};
