//! The layer store from outside: what every adapter must do, and what layers from anywhere become.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod check;
mod conformance;
mod corpus;
mod erofs;
mod hostile;
mod layer_tar;
mod meaning;
mod old_kernel;
mod roundtrip;
mod sparse;
mod stores;
mod tree;
