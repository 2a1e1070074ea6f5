//! How a container's process ended, in the number docker reports.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Signal;

/// An exit code as docker reports it: the process's own, or 128 plus the signal that killed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExitStatus(u8);

impl ExitStatus {
    /// The process ended well.
    pub const SUCCESS: Self = Self(0);
    /// The engine itself failed (`docker run` exits with it).
    pub const ENGINE_FAILED: Self = Self(125);
    /// The command was found but could not be executed.
    pub const NOT_EXECUTABLE: Self = Self(126);
    /// The command was not found.
    pub const NOT_FOUND: Self = Self(127);
    /// The container could not be started, for a reason that is neither of the two above.
    pub const START_FAILED: Self = Self(128);
    /// Nobody knows how the process ended.
    pub const UNKNOWN: Self = Self(255);

    /// The process called `exit(code)`.
    #[must_use]
    pub const fn exited(code: u8) -> Self {
        Self(code)
    }

    /// The process was killed by `signal`.
    #[must_use]
    pub const fn signaled(signal: Signal) -> Self {
        Self(128 + signal.number())
    }

    /// The number, 0–255.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Whether the number is 0.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_adds_128() {
        assert_eq!(ExitStatus::signaled(Signal::KILL).code(), 137);
        assert_eq!(ExitStatus::signaled(Signal::TERM).code(), 143);
        assert!(ExitStatus::exited(0).is_success());
        assert!(!ExitStatus::UNKNOWN.is_success());
    }
}
