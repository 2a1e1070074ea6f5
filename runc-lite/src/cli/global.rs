//! Flags before the verb.

use std::path::PathBuf;

use crate::cli::{Flag, UsageError, parse};

/// Where containers are kept by default; a tmpfs.
const DEFAULT_ROOT: &str = "/run/runc-lite";

pub(crate) const FLAGS: [Flag; 9] = [
    Flag::switch("debug", "enable debug logging"),
    Flag::value(
        "log",
        "set the log file to write logs to (default is '/dev/stderr')",
    ),
    Flag::value(
        "log-format",
        "set the log format ('text' (default), or 'json')",
    ),
    Flag::value(
        "root",
        "root directory for storage of container state (default: \"/run/runc-lite\")",
    ),
    Flag::value(
        "criu",
        "accepted for compatibility; checkpoint and restore are not supported",
    ),
    Flag::switch("systemd-cgroup", "cgroupsPath is \"slice:prefix:name\""),
    Flag::value(
        "rootless",
        "accepted for compatibility ('true', 'false', or 'auto')",
    ),
    Flag::switch("help", "show help").short('h'),
    Flag::switch("version", "print the version").short('v'),
];

/// What holds for every verb.
#[derive(Debug, Clone, Default)]
pub(crate) struct Global {
    pub(crate) debug: bool,
    pub(crate) log: Option<PathBuf>,
    pub(crate) log_format: String,
    pub(crate) root: PathBuf,
    pub(crate) systemd_cgroup: bool,
    pub(crate) help: bool,
    pub(crate) version: bool,
    /// The verb and its arguments.
    pub(crate) rest: Vec<String>,
}

/// Parses them.
pub(crate) fn parse_global(args: &[String]) -> Result<Global, UsageError> {
    let parsed = parse(&FLAGS, args)?;
    Ok(Global {
        debug: parsed.has("debug"),
        log: parsed
            .get("log")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
        log_format: parsed.get("log-format").unwrap_or("text").to_owned(),
        root: PathBuf::from(parsed.get("root").unwrap_or(DEFAULT_ROOT)),
        systemd_cgroup: parsed.has("systemd-cgroup"),
        help: parsed.has("help"),
        version: parsed.has("version"),
        rest: parsed.rest,
    })
}
