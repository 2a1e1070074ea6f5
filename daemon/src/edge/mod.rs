//! The daemon's edges: what speaks a protocol to the outside and nothing else.

pub mod http;
