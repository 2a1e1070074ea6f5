//! The supervisor's binary, over its real sockets, with a shim that plays containers
//! (`examples/fake_shim.rs`).

mod clients;
mod crash;
mod dead_shim;
mod engine;
mod lifecycle;
mod services;
mod subscriber;
