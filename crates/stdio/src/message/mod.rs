//! The messages of the stdio socket: one JSON object a datagram (`SOCK_SEQPACKET`).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a peer asks for. One connection carries one request, and [`Request::Release`] where that was
/// an [`Attach`] with `hold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Request {
    /// Join the descriptor sent along (the client's stream) to a process.
    Attach(Attach),
    /// Keep a duplicate of the descriptor sent along.
    Park {
        /// Under what name; an earlier one of the same name is replaced.
        name: String,
    },
    /// Hand back a duplicate of a parked descriptor.
    Fetch {
        /// The name it was parked under.
        name: String,
    },
    /// Serve names to the container, on the UDP socket sent along and on the TCP listener parked as
    /// [`NAMES_TCP`], in place of what was served before.
    Names {
        /// The container's table of names; those of its networks lie beside it.
        table: PathBuf,
        /// The file of the container's network namespace.
        namespace: PathBuf,
    },
    /// The client that was attached by this connection, and held, gets its output from now on.
    Release,
}

/// The name under which the listener of [`Request::Names`] is parked.
pub const NAMES_TCP: &str = "names:tcp";

/// How a client's stream is joined to a process. An absent field has the value of
/// [`Attach::default`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attach {
    /// The exec id; empty: the container's own process.
    pub process: String,
    /// Whether what the client sends goes to the process.
    pub stdin: bool,
    /// Whether the client gets standard output.
    pub stdout: bool,
    /// Whether the client gets standard error.
    pub stderr: bool,
    /// Whether output carries docker's headers ([`crate::frame`]).
    pub framed: bool,
    /// Whether output is kept back for the client until [`Request::Release`]: whoever asks first
    /// sends what was logged before. Closing the connection before that ends the session.
    #[serde(skip_serializing_if = "is_false")]
    pub hold: bool,
    /// The bytes that end the session when the client types them; empty: none do.
    #[serde(with = "base64_bytes", skip_serializing_if = "Vec::is_empty")]
    pub detach_keys: Vec<u8>,
    /// Bytes of stdin that arrived together with the client's request.
    #[serde(with = "base64_bytes", skip_serializing_if = "Vec::is_empty")]
    pub prefix: Vec<u8>,
}

/// What the shim says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// `{"ok":true}`: done; for an attach, the session has begun.
    Ok(bool),
    /// `{"held":{…}}`: the session has begun and is held; what was logged before it lies before this
    /// place. `{"held":null}`: the log is complete.
    Held(Option<LogPlace>),
    /// `{"error":"…"}`: refused, and why.
    Error(String),
    /// `{"ended":"…"}`: the session of an earlier `ok` is over.
    Ended(Ended),
}

/// A place in a log that is written on and rotated: the end of its live file at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// The device of the file, as `stat(2)` tells it.
    pub device: u64,
    /// The file's inode, which a rotation leaves it.
    pub inode: u64,
    /// Bytes that the file had.
    pub size: u64,
}

/// Who ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The process exited and all of its output was delivered.
    Exited,
    /// The client typed its detach keys.
    Detached,
    /// The client went away, or took nothing for too long.
    Client,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a field over by reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
