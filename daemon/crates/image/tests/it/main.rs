//! The image store from outside.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod archives;
mod containers;
mod corpus;
mod crash;
mod fsck;
mod import;
mod load;
mod peers;
mod remove;
