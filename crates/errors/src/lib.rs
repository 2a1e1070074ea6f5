//! What kind of failure an error is, and how a chain of causes is told.
//!
//! Every module's error enum implements [`Classify`]. The kind is the only thing that crosses a seam:
//! three tables map it, to gRPC (in `gantry-proto`), to HTTP (in the daemon) and to an exit code (in
//! the command line). This crate knows none of the three.

mod chain;
mod kind;
mod many;

pub use chain::{Chain, chain};
pub use kind::{Classify, ErrorKind};
pub use many::Many;
