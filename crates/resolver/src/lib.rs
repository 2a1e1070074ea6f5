//! The name service of user-defined networks, as containers see it at 127.0.0.11.
//!
//! ```text
//! gantryd ──writes──▶ tables (files on tmpfs) ◀──reads when they change── server (in each shim)
//! container ──127.0.0.11:53, rewritten inside its namespace──▶ server ──▶ answer │ upstream server
//! ```
//!
//! * [`message`]: the DNS messages that are needed (RFC 1035, RFC 6891), read with limits; pure.
//! * [`table`]: what a network knows of names, and what a container may ask; text files; pure.
//! * [`answer`]: query and tables to an answer, or "ask upstream"; pure.
//! * `serve` (feature `server`): the server over two sockets that somebody else has bound.
//!
//! Deliberately not here: which names there are, and how a query gets to the sockets.

pub mod answer;
pub mod message;
#[cfg(feature = "server")]
pub mod serve;
pub mod table;
