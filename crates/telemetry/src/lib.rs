//! Logging, tracing and crash points, the same in all five programs.
//!
//! * [`init`] sets up `tracing` on stderr (text or JSON) and a panic hook that logs.
//! * [`fields`] names the fields that identify things, so that one id finds every program's lines.
//! * [`trace`] appends spans to a file in Chrome's trace format; several processes append to one file.
//! * [`failpoint`] lets a crash test stop a program at a named instant.
//!
//! Metrics do not live here, nor does any decision about what is worth logging.

mod failpoint;
pub mod fields;
mod init;
mod panic;
pub mod trace;

pub use failpoint::{Injected, failpoint};
pub use init::{Format, InitError, Level, Options, UnknownWord, init};
