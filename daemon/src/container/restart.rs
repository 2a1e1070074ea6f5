//! When an ended container is started again, and how long that waits. Pure.
//!
//! dockerd's rule: 100 ms, doubling up to a minute, from the beginning again once a run has lasted
//! 10 s.

use std::time::Duration;

/// The shortest wait.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// A run of this length starts the series anew.
const STEADY_RUN: Duration = Duration::from_secs(10);

/// `--restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Never.
    No,
    /// Whatever the exit code; also when the engine starts.
    Always,
    /// As `Always`, but not once the user stopped it.
    UnlessStopped,
    /// Only for a code other than 0; 0 retries: without limit.
    OnFailure { retries: u32 },
}

/// A policy that does not exist or does not fit its numbers; dockerd's texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error(
        "invalid restart policy: unknown policy '{0}'; use one of 'no', 'always', 'on-failure', or \
         'unless-stopped'"
    )]
    Unknown(String),
    #[error(
        "invalid restart policy: maximum retry count can only be used with 'on-failure'{}",
        if *.negative { " and cannot be negative" } else { "" }
    )]
    Retries { negative: bool },
    #[error("invalid restart policy: maximum retry count cannot be negative")]
    Negative,
}

impl Policy {
    /// From the API's two fields.
    ///
    /// # Errors
    /// [`PolicyError`] with dockerd's text.
    pub fn parse(name: &str, retries: i64) -> Result<Self, PolicyError> {
        let negative = retries < 0;
        match name {
            "" | "no" | "always" | "unless-stopped" if retries != 0 => {
                Err(PolicyError::Retries { negative })
            }
            "" | "no" => Ok(Self::No),
            "always" => Ok(Self::Always),
            "unless-stopped" => Ok(Self::UnlessStopped),
            "on-failure" => match u32::try_from(retries) {
                Ok(retries) => Ok(Self::OnFailure { retries }),
                Err(_) if negative => Err(PolicyError::Negative),
                Err(_) => Ok(Self::OnFailure { retries: u32::MAX }),
            },
            other => Err(PolicyError::Unknown(other.to_owned())),
        }
    }

    /// Whether a container that ended is started again.
    #[must_use]
    pub fn wants_restart(self, exit_code: u32, stopped_by_user: bool, restarts: u32) -> bool {
        if stopped_by_user {
            return false;
        }
        match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure { retries } => exit_code != 0 && (retries == 0 || restarts < retries),
        }
    }

    /// Whether the engine, starting up, starts a container that is not running. `was_running`: it
    /// ran when the engine (or the machine) went down.
    #[must_use]
    pub fn wants_start_at_boot(self, was_running: bool, stopped_by_user: bool) -> bool {
        match self {
            Self::No => false,
            Self::Always => was_running || stopped_by_user,
            Self::UnlessStopped => was_running && !stopped_by_user,
            Self::OnFailure { .. } => was_running,
        }
    }
}

/// The wait before the next restart, given the last wait and how long the last run lasted.
#[must_use]
pub fn next_delay(last: Option<Duration>, ran_for: Duration) -> Duration {
    match last {
        Some(last) if ran_for < STEADY_RUN => (last * 2).min(LONGEST_DELAY),
        Some(_) | None => FIRST_DELAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_parsed_with_dockerds_messages() {
        assert_eq!(Policy::parse("", 0), Ok(Policy::No));
        assert_eq!(
            Policy::parse("on-failure", 3),
            Ok(Policy::OnFailure { retries: 3 })
        );
        assert!(
            Policy::parse("always", 1)
                .unwrap_err()
                .to_string()
                .contains("only be used with")
        );
        assert!(
            Policy::parse("sometimes", 0)
                .unwrap_err()
                .to_string()
                .contains("'sometimes'")
        );
        assert_eq!(Policy::parse("on-failure", -1), Err(PolicyError::Negative));
    }

    #[test]
    fn restarts_follow_code_and_count() {
        let three = Policy::OnFailure { retries: 3 };
        assert!(three.wants_restart(1, false, 2));
        assert!(!three.wants_restart(1, false, 3));
        assert!(!three.wants_restart(0, false, 0));
        assert!(Policy::Always.wants_restart(0, false, 1000));
        assert!(!Policy::Always.wants_restart(0, true, 0));
    }

    #[test]
    fn delays_double_and_start_anew() {
        let short = Duration::from_secs(1);
        let mut delay = next_delay(None, short);
        assert_eq!(delay, Duration::from_millis(100));
        for _ in 0..12 {
            delay = next_delay(Some(delay), short);
        }
        assert_eq!(delay, Duration::from_secs(60));
        assert_eq!(
            next_delay(Some(delay), Duration::from_secs(11)),
            Duration::from_millis(100)
        );
    }
}
