//! nf_tables: one atomic batch of tables, chains, sets, elements and rules (`nft(8)` shows what it
//! made; the numbers are those of `linux/netfilter/nf_tables.h`).
//!
//! Registers: an expression loads into 32-bit registers counted from 0 ([`Register`]); a concatenated
//! key lies in consecutive ones, each field padded to four bytes.

mod batch;
mod chain;
mod changes;
mod condition;
mod expression;
mod foreign;
mod held;
mod list;
mod set;

pub use batch::{Batch, Family};
pub use chain::{BaseChain, Hook, Policy, priority};
pub use changes::Changes;
pub use expression::{
    Comparison, CtKey, Expression, FibResult, MetaKey, PayloadBase, Register, Verdict,
};
pub use foreign::{ForeignRule, chain_exists, rules};
pub use held::elements;
pub use list::{ForeignChain, chains, table_exists};
pub use set::{Data, DataType, Element, Set, Value};
