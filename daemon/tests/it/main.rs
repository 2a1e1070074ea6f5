//! The daemon's edge over real sockets: its own router, accept loop and engine, no supervisor.

mod hijack;
mod limits;
mod routes;
mod server;
mod streams;
