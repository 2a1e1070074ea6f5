//! Containers for real, under stock runc and under runc-lite: the same test bodies on both, so that
//! each expectation is first proved on the part that nobody here wrote.
//!
//! # On a machine with control groups of version 2
//!
//! What depends on the version, or on systemd, is in the modules `cgroups` and `systemd`. To prove it
//! there, this same binary is run in the virtual machine with the two names as filters, and nothing
//! else:
//!
//! ```text
//! cargo xtask vm --systemd --share PEERS -- env GANTRY_PEERS=PEERS target/debug/deps/it-… cgroups:: systemd::
//! ```
//!
//! where `PEERS` is the folder that `cargo xtask peers` makes, and the binary's path is what `cargo test
//! --package runc-lite --test it --no-run` prints. Without systemd as init the tests of `systemd` check
//! that the driver is refused in runc's words; under version 1 those of `cgroups` check version 1's
//! files. None is left out anywhere.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot be unwrapped fails the test"
)]

#[cfg(target_arch = "x86_64")]
mod bpf;
mod cgroups;
mod exec;
mod harness;
mod hooks;
mod hostile;
mod lifecycle;
mod messages;
mod mounts;
#[cfg(target_arch = "x86_64")]
mod seccomp;
mod security;
mod systemd;
mod terminal;
