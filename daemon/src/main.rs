//! The Docker Engine API daemon.

mod container;
mod store;

fn main() {}
