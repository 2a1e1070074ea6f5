//! Trees of files on the way between client and daemon: BuildKit's `fsutil` protocol.
//!
//! The sender tells every entry (`STAT`, numbered in order, parents before children, siblings
//! sorted) and then an empty `STAT`. The receiver may ask for the contents of an entry as soon as
//! it was told (`REQ`), and is sent them in pieces (`DATA`; an empty one ends the file); files may
//! be interleaved. When it has all it says `FIN`, and is answered `FIN`.
//!
//! ```text
//!   sender    STAT a · STAT b · STAT b/c · STAT – ······ DATA 0 · DATA 2 · DATA 0 – · DATA 2 – ······ FIN
//!   receiver  ·········· REQ 0 ············ REQ 2 ····································· FIN ······
//! ```
//!
//! Both sides are plain state machines over a directory's descriptor: who calls them brings the
//! packets. A peer is not trusted: names are single components checked one by one, every file is
//! opened beneath the root without following links, entries and open files are limited.

mod disk;
mod entry;
mod mode;
mod pack;
mod path;
mod receive;
mod refuse;
mod send;

pub use disk::DiskError;
pub use mode::Kind;
pub use pack::{PackError, pack, unpack};
pub use receive::{CONTENT_BYTES_MAX, ENTRIES_MAX, Received, Receiver};
pub use refuse::ReceiveError;
pub use send::{SendError, Sender};

pub use crate::wire::fsutil::types::packet::PacketType;
pub use crate::wire::fsutil::types::{Packet, Stat};
