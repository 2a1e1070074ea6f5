//! The daemon's edge over real sockets: its own router, accept loop and engine, no supervisor.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod corpus;
mod fixtures;
mod hijack;
mod images;
mod limits;
mod routes;
mod server;
mod streams;
