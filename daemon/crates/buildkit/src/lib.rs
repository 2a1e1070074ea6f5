//! BuildKit's contracts: what buildx calls, and what the daemon asks of the client's session.
//!
//! [`wire`] holds the messages; [`fsutil`] sends and receives trees of files; [`session`] is the
//! client's side of a build, called by the daemon over a connection that the client opened.
//!
//! [`build`] puts what a client asks to the solver, and [`service`] answers its calls.
//!
//! Deliberately not here: how a build is done (`gantry-build`), HTTP, images.

pub mod build;
pub mod fsutil;
pub mod service;
pub mod session;
pub mod wire;
