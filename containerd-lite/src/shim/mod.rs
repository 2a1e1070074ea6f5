//! The port to shims: how one is started, spoken to, watched and buried (`docs/protocols/supervisor.md`).
//!
//! Every call has a deadline. Nothing here knows what state a task is in.

mod alive;
mod bundle;
mod client;
mod error;
mod launch;
mod line;
mod spool;

pub(crate) use alive::Alive;
pub(crate) use bundle::{Bundle, BundleError, Layout};
pub(crate) use client::{Client, CreateCall, dismiss};
pub(crate) use error::ShimError;
pub(crate) use launch::{Binary, LaunchError, Launcher, START_LIMIT, find};
pub(crate) use line::REST as LINE_REST;
pub(crate) use spool::drain;

/// A shim that answered: where, and which process.
#[derive(Clone, Debug)]
pub(crate) struct Shim {
    /// Speaks to it.
    pub(crate) client: Client,
    /// Its process.
    pub(crate) alive: Alive,
}
