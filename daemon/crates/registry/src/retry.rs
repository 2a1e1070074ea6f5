//! When to try again, and how long to wait before. Pure.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// The first pause.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause of our own.
const LONGEST: Duration = Duration::from_secs(10);
/// The longest pause that a registry may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// Docker's default of `--max-download-attempts`.
pub(crate) const ATTEMPTS: u32 = 5;

/// Counts the attempts of one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempts {
    made: u32,
    most: u32,
}

impl Attempts {
    /// None made yet, of at least one.
    #[must_use]
    pub(crate) fn new(most: u32) -> Self {
        Self {
            made: 0,
            most: most.max(1),
        }
    }

    /// The pause before the next attempt after one that failed, or none if that was the last.
    /// `asked` is what the registry asked for; `chance` is any number, to keep many clients apart.
    #[must_use]
    pub(crate) fn failed(&mut self, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        self.made += 1;
        if self.made >= self.most {
            return None;
        }
        let ours = FIRST
            .saturating_mul(1 << (self.made - 1).min(16))
            .min(LONGEST);
        let ours = ours.mul_f64(0.75 + 0.5 * chance.clamp(0.0, 1.0));
        Some(asked.map_or(ours, |asked| {
            asked.clamp(ours.min(LONGEST_ASKED), LONGEST_ASKED)
        }))
    }

    /// Something was gained: what failed before does not count any more.
    pub(crate) fn gained(&mut self) {
        self.made = 0;
    }
}

/// Whether a status means that the same request may work later.
#[must_use]
pub(crate) fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// `Retry-After`: seconds, or a date to be compared with `now` (RFC 9110, section 10.2.3).
#[must_use]
pub(crate) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    // HTTP writes GMT where RFC 2822 wants a number or an obsolete word.
    let date = header.strip_suffix("GMT")?;
    let then = rfc2822::parse(&format!("{date}+0000")).ok()?.timestamp();
    Duration::try_from(then.duration_since(now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut attempts = Attempts::new(5);
        let pauses: Vec<_> = (0..5).map(|_| attempts.failed(None, 0.5)).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(pauses, [ms(500), ms(1000), ms(2000), ms(4000), None]);
        attempts.gained();
        assert_eq!(attempts.failed(None, 0.5), ms(500));
        assert_eq!(Attempts::new(0).failed(None, 0.5), None);
    }

    #[test]
    fn a_registry_may_ask_for_more_but_not_for_ever() {
        let asked = |seconds| Attempts::new(2).failed(Some(Duration::from_secs(seconds)), 0.5);
        assert_eq!(asked(0), Some(Duration::from_millis(500)));
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(100_000), Some(LONGEST_ASKED));
    }

    #[test]
    fn both_forms_of_retry_after() {
        let now: Timestamp = "2026-11-21T16:54:00Z".parse().unwrap();
        assert_eq!(retry_after("3", now), Some(Duration::from_secs(3)));
        assert_eq!(
            retry_after("Sat, 21 Nov 2026 16:54:11 GMT", now),
            Some(Duration::from_secs(11))
        );
        assert_eq!(retry_after("Sat, 21 Nov 2026 16:53:11 GMT", now), None);
        assert_eq!(retry_after("-3", now), None);
        assert_eq!(retry_after("soon", now), None);
    }
}
