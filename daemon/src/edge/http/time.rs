//! Moments as clients write them: seconds since 1970 with a fraction, or RFC 3339.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::ApiError;

/// Nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// A moment by its nanoseconds since 1970.
    #[must_use]
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// The present.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_ns(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}",
            self.0.div_euclid(1_000_000_000),
            self.0.rem_euclid(1_000_000_000)
        )
    }
}

/// Reads the parameter `name`; nothing is no moment.
///
/// # Errors
/// 400, naming the parameter.
pub fn parse_moment(name: &str, text: &str) -> Result<Option<Moment>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let moment = unix(text).or_else(|| {
        let stamp: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(stamp.as_nanosecond()).ok()
    });
    let moment = moment.map(|ns| Some(Moment(ns)));
    moment.ok_or_else(|| ApiError::invalid(format!("invalid value for {name}: \"{text}\"")))
}

/// Reads a filter's moment, which may also be an age (`24h`, `1h30m`) or a date.
///
/// # Errors
/// 400, naming the parameter.
pub fn parse_age(name: &str, text: &str) -> Result<Moment, ApiError> {
    if let Some(age) = go_duration(text) {
        return Ok(Moment(Moment::now().0.saturating_sub(age)));
    }
    let midnight = format!("{text}T00:00:00Z");
    let moment = match text.len() {
        10 if text.contains('-') => parse_moment(name, &midnight),
        _ => parse_moment(name, text),
    };
    moment?.ok_or_else(|| ApiError::invalid(format!("invalid value for {name}: \"\"")))
}

/// Go's durations, in nanoseconds: numbers with fractions, each with a unit. A bare number is none.
fn go_duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3600e9),
    ];
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        total += number * unit;
        rest = &rest[end..];
    }
    let fits = !text.is_empty() && total < 9.2e18;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    fits.then_some(total as i64)
}

/// `seconds[.fraction]`; the fraction is cut after nanoseconds.
fn unix(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(seconds.strip_prefix('-').unwrap_or(seconds)) || !digits(fraction) {
        return None;
    }
    let mut nine = [b'0'; 9];
    for (slot, digit) in nine.iter_mut().zip(fraction.bytes()) {
        *slot = digit;
    }
    let ns: i64 = std::str::from_utf8(&nine).ok()?.parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    let ns = if text.starts_with('-') { -ns } else { ns };
    seconds.checked_mul(1_000_000_000)?.checked_add(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_both_forms() {
        for (text, ns) in [
            ("1", 1_000_000_000),
            ("1.5", 1_500_000_000),
            ("1136073600.000000001", 1_136_073_600_000_000_001),
            ("1.0000000019", 1_000_000_001),
            ("-1.5", -1_500_000_000),
            ("1970-01-01T00:00:02.5Z", 2_500_000_000),
            ("1970-01-01T01:00:00+01:00", 0),
        ] {
            assert_eq!(
                parse_moment("since", text).unwrap(),
                Some(Moment(ns)),
                "{text}"
            );
        }
        assert_eq!(parse_moment("since", "").unwrap(), None);
    }

    #[test]
    fn ages_are_durations_before_now() {
        assert_eq!(go_duration("1h30m"), Some(5_400_000_000_000));
        assert_eq!(go_duration("1.5s"), Some(1_500_000_000));
        for text in ["", "5", "h", "1x", "1h2", "-1h"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
        assert_eq!(
            parse_age("until", "1970-01-02").unwrap().as_ns(),
            86_400_000_000_000
        );
        assert!(parse_age("until", "1h").unwrap() < Moment::now());
        assert!(parse_age("until", "").is_err());
    }

    #[test]
    fn nonsense_names_the_parameter() {
        for text in [
            "x",
            "1.",
            ".5",
            "1.2.3",
            "--1",
            "99999999999999999999",
            "2026-13-01T00:00:00Z",
        ] {
            let error = parse_moment("until", text).unwrap_err();
            assert!(error.message().contains("until"), "{text}");
        }
    }
}
