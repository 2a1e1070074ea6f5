//! Containers for real, under stock runc and under runc-lite: the same test bodies on both, so that
//! each expectation is first proved on the part that nobody here wrote.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot be unwrapped fails the test"
)]

mod cgroups;
mod exec;
mod harness;
mod hooks;
mod lifecycle;
mod messages;
mod mounts;
mod security;
mod terminal;
