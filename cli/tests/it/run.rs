//! Runs a command line and keeps what it said.

use std::path::Path;
use std::process::{Command, Stdio};

/// What a program said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

/// Runs `program` with `-H host` and `args`, without input, in a plain environment.
pub(crate) fn run(program: &Path, host: &str, args: &[&str]) -> Said {
    let output = command(program, host)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("run {}: {error}", program.display()));
    Said {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap_or(-1),
    }
}

/// The program with its host, before its words.
pub(crate) fn command(program: &Path, host: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("TZ", "UTC")
        .env("HOME", "/nonexistent");
    command.env("PATH", "/usr/bin:/bin").args(["-H", host]);
    command
}

/// The folder of stock programs, where there is one.
pub(crate) fn peers() -> Option<std::path::PathBuf> {
    std::env::var_os("GANTRY_PEERS").map(Into::into)
}

/// Whether recordings are to be made anew.
pub(crate) fn blessing() -> bool {
    std::env::var_os("GANTRY_BLESS").is_some()
}
