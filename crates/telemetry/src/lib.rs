//! Logging, tracing and crash points, the same in all five programs.
//!
//! * [`init`] sets up `tracing` on stderr (text or JSON) and a panic hook that logs.
//! * [`fields`] names the fields that identify things, so that one id finds every program's lines.
//! * [`trace`] and [`failpoint`] are `gantry-probe`'s; all `tracing` spans go into the trace too.
//!
//! Metrics do not live here, nor does any decision about what is worth logging.

pub mod fields;
mod init;
mod panic;
mod spans;

pub use gantry_probe::{Injected, failpoint, trace};
pub use init::{Format, InitError, Level, Options, UnknownWord, init};
