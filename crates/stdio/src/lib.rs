//! The contract for a container's stdio between the engine and the shim
//! (`docs/protocols/stdio.md`): the URI that names a task's streams, the messages of the stdio
//! socket with the descriptors that travel beside them, and docker's stream framing.
//!
//! Everything here is synchronous and small enough for the shim. Sockets implement `AsFd` and have a
//! non-blocking mode, so that an async caller can wrap them in its runtime's descriptor type; this
//! crate knows no runtime. What a session *does* (copying, logging, keys) is the shim's.

pub mod frame;
mod message;
mod path;
mod socket;
mod uri;

pub use message::{Answer, Attach, Ended, LogPlace, NAMES_TCP, Request};
pub use socket::{Connection, Listener, MESSAGE_LIMIT, SocketError};
pub use uri::{JsonFile, StdioUri, UriError};
