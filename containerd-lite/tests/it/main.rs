//! The supervisor's binary, over its real sockets, with a shim that plays containers
//! (`examples/fake_shim`); its crash tests with the shim that users get, too.

mod clients;
mod crash;
mod dead_shim;
mod engine;
mod fixtures;
mod lifecycle;
mod real;
mod real_shim;
mod services;
mod subscriber;
