//! The Docker Engine API daemon.

fn main() {}
