//! What a running program lets tests and traces see of itself, small enough for those that are paid
//! once per container.
//!
//! * [`trace`] appends phases to a file in Chrome's trace format; several processes append to one file.
//! * [`failpoint`] lets a crash test stop a program at a named instant.
//!
//! Logging and `tracing` spans are `gantry-telemetry`'s, which hands both of these on.

mod failpoint;
pub mod trace;

pub use failpoint::{Injected, failpoint};
