//! A process's streams: where they come from (pipes or a terminal) and where they go. The port has
//! these adapters: `gantry://` (the log and any number of attached clients, [`hub`]), FIFOs of a
//! containerd client, and `file://` ([`sink`]). Log programs (`binary://`) are refused by name.
//!
//! Nothing here knows of tasks, requests or events; a process's end arrives as the end of its
//! streams.

mod backlog;
mod client;
mod hub;
mod keys;
mod pump;
mod session;
mod sink;
mod stdin;
mod target;
mod wiring;

pub(crate) use session::{Gate, Session};
pub(crate) use target::{TargetError, Targets};
pub(crate) use wiring::{ChildEnds, Owner, StdioError, Streams, Wiring};
