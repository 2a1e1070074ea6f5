//! How a command ends: its exit code, and the errors that carry one.
//!
//! docker's codes: 0 success; 1 any refusal; 125 the command line or the engine refused to run a
//! container; 126 the program cannot be executed; 127 it was not found; 128+n a signal; else the
//! container's own code.

use std::fmt;

/// The exit code of a command that did what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    pub(crate) const SUCCESS: Self = Self(0);

    /// The code of a container's process as the engine reports it (0–255 on Linux).
    pub(crate) fn of_container(code: i64) -> Self {
        Self(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
    }
}

/// An error with an exit code of its own. An empty text prints nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// The code `docker run` and `start` give a start that the engine refused.
///
/// The engine's text decides, as in every docker client: which program, and why it cannot run. Case
/// counts: crun's own words begin with capitals, and docker gives them 125.
pub(crate) fn code_of_start_error(message: &str) -> u8 {
    const NOT_FOUND: [&str; 3] = [
        "executable file not found",
        "no such file or directory",
        "system cannot find the file",
    ];
    const NOT_EXECUTABLE: [&str; 2] = ["permission denied", "is a directory"];
    if NOT_FOUND.iter().any(|part| message.contains(part)) {
        127
    } else if NOT_EXECUTABLE.iter().any(|part| message.contains(part)) {
        126
    } else {
        125
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_engines_text() {
        let table = [
            ("exec: \"x\": executable file not found in $PATH", 127),
            ("exec /x: no such file or directory", 127),
            ("exec: \"/etc\": is a directory", 126),
            ("exec: \"/f\": permission denied", 126),
            (
                "executable file `x` not found in $PATH: No such file or directory",
                125,
            ),
            ("Conflict. The container name is in use", 125),
        ];
        for (text, code) in table {
            assert_eq!(code_of_start_error(text), code, "{text}");
        }
    }

    #[test]
    fn container_codes_stay_in_a_byte() {
        assert_eq!(Exit::of_container(137), Exit(137));
        assert_eq!(Exit::of_container(-1), Exit(255));
    }
}
