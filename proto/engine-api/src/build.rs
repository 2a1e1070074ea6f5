//! What a build tells a client that asks for its events (`POST /build?events=1`): an extension of the
//! API's stream, in the `aux` of its objects.
//!
//! A client that does not ask sees the classic builder's text; an engine that does not know the
//! question answers with that text.

use serde::{Deserialize, Serialize};

/// The id of stream objects whose `aux` is a [`BuildEvent`].
pub const EVENT_ID: &str = "gantry.build";

/// The header with a client's secrets: base64 of a JSON object, each value base64 of a secret.
pub const SECRETS_HEADER: &str = "x-gantry-build-secrets";

/// The most bytes of that header: an HTTP server takes no more in a request's head.
pub const SECRETS_HEADER_BYTES_MAX: usize = 48 << 10;

/// Something that happened in a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum BuildEvent {
    /// There is a piece of work.
    Vertex {
        /// Its identity within the build.
        vertex: String,
        /// What people call it: `[2/3] RUN make`.
        name: String,
    },
    /// Work has begun.
    Began {
        /// The piece of work.
        vertex: String,
        /// When, nanoseconds since 1970.
        at_ns: i64,
    },
    /// Work has ended.
    Ended {
        /// The piece of work.
        vertex: String,
        /// When, nanoseconds since 1970.
        at_ns: i64,
        /// How.
        how: How,
    },
    /// How far a part of the work is.
    Status {
        /// The piece of work.
        vertex: String,
        /// The part.
        part: String,
        /// Bytes done.
        current: u64,
        /// Bytes to do; 0 if nobody knows.
        total: u64,
        /// Whether the part has ended.
        done: bool,
    },
    /// A program has written something.
    Log {
        /// The step that runs it.
        vertex: String,
        /// 1 for standard output, 2 for standard error.
        stream: u8,
        /// What was written, base64.
        data: String,
    },
    /// A check of the Dockerfile found something.
    Warning {
        /// The rule's name.
        rule: String,
        /// What was found.
        message: String,
        /// The first line it is about, from 1.
        line: usize,
    },
    /// Where in the Dockerfile the build failed: the lines around it.
    Excerpt {
        /// The lines.
        text: String,
    },
    /// A program has failed and its place can be entered, where `onfail=shell` asked for it: by
    /// `POST /build/shell/ID`, a terminal's stream. The build goes on when the shell has ended.
    Shell {
        /// The place.
        id: String,
    },
    /// A piece of the target's files as a tar, base64, where `outputs=tar` asked for them.
    Files {
        /// The piece.
        data: String,
    },
}

/// How a piece of work ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum How {
    /// It was done.
    Done,
    /// It had been done before.
    Cached,
    /// The build was cancelled, or another piece of work failed.
    Cancelled,
    /// It failed, with this text.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_were_written() {
        let ended = BuildEvent::Ended {
            vertex: "sha256:1".to_owned(),
            at_ns: 7,
            how: How::Failed("no".to_owned()),
        };
        let text = serde_json::to_string(&ended).unwrap();
        assert_eq!(
            text,
            r#"{"ended":{"vertex":"sha256:1","at_ns":7,"how":{"failed":"no"}}}"#
        );
        assert_eq!(serde_json::from_str::<BuildEvent>(&text).unwrap(), ended);
    }
}
