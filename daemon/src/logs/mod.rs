//! Reads containers' logs: docker's json-file records, as the shims write and rotate them.
//!
//! [`decode`] turns records into what clients get and is pure, as is [`output`], which frames it;
//! [`files`] opens a log's files and
//! follows their rotation; [`reader`] goes from file to file and fills buffers; [`stream`] runs the
//! reader on the blocking pool, one buffer ahead of the client, and waits for more where a client
//! follows. Nothing here writes a log: the shim does, also while no daemon runs.

mod decode;
mod files;
mod output;
mod reader;
pub mod stream;
mod tail;
#[cfg(test)]
mod tests;
mod watch;

pub use stream::{Source, lines};
pub use watch::LogWatch;

/// What a client asks of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Records of stdout.
    pub stdout: bool,
    /// Records of stderr.
    pub stderr: bool,
    /// Only records not older than this, in nanoseconds since 1970.
    pub since_ns: Option<i64>,
    /// Only records not younger than this.
    pub until_ns: Option<i64>,
    /// Only what was written before this place; for readers of the whole log, without `tail`.
    pub end: Option<gantry_stdio::LogPlace>,
    /// Only the last records of the log; none: all.
    pub tail: Option<u64>,
    /// Begin each line with its time.
    pub timestamps: bool,
    /// Begin each line with the attributes of the log driver.
    pub details: bool,
    /// Go on with what is written from now on, until the container ends.
    pub follow: bool,
    /// Put records in frames that tell their stream (containers without a terminal).
    pub framed: bool,
}

/// A log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file.
    #[error("{step} log {path}", path = path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// Which file.
        path: std::path::PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}
