//! Moments and durations as Go writes and reads them.

use anyhow::{Result, bail};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// `2026-11-21 13:46:26.7 +0000 UTC`: Go's `time.Time` as text, in the local time zone.
pub(crate) fn go_timestamp(moment: Timestamp) -> String {
    let local = Zoned::new(moment, TimeZone::system());
    let nanos = local.subsec_nanosecond();
    let fraction = format!(".{nanos:09}");
    let fraction = if nanos == 0 {
        ""
    } else {
        fraction.trim_end_matches('0')
    };
    format!(
        "{}{fraction} {} {}",
        local.strftime("%Y-%m-%d %H:%M:%S"),
        local.strftime("%z"),
        local.strftime("%Z")
    )
}

/// Reads Go's durations (`1h30m`, `500ms`, `-1.5s`), in nanoseconds.
pub(crate) fn parse_go_duration_ns(text: &str) -> Result<i64> {
    let invalid = || anyhow::anyhow!("time: invalid duration \"{text}\"");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let scale = match &rest[..letters] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "" => bail!("time: missing unit in duration \"{text}\""),
            unit => bail!("time: unknown unit \"{unit}\" in duration \"{text}\""),
        };
        total += number * scale;
        rest = &rest[letters..];
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturates at 292 years")]
    let total = total as i64;
    Ok(if negative { -total } else { total })
}

/// `--since` and `--until`: a duration back from now, a date, or Unix seconds; as the API's
/// `seconds.nanoseconds`.
pub(crate) fn timestamp_argument(text: &str, now: Timestamp) -> Result<String> {
    if let Ok(nanos) = parse_go_duration_ns(text) {
        let moment = now.as_nanosecond() - i128::from(nanos);
        return Ok(api_time(moment));
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(api_time(moment.as_nanosecond()));
    }
    if text.contains('-') {
        if let Some(moment) = local(text) {
            return Ok(api_time(moment.timestamp().as_nanosecond()));
        }
        bail!("failed to parse value as time or duration: \"{text}\"");
    }
    let number = text.split_once('.').map_or(text, |(seconds, _)| seconds);
    if number.parse::<i64>().is_err() {
        bail!("failed to parse value as time or duration: \"{text}\"");
    }
    Ok(text.to_owned())
}

/// A date without a zone: local time, whatever of it is given.
fn local(text: &str) -> Option<Zoned> {
    let full = match text.len() {
        10 => format!("{text}T00:00:00"),
        13 => format!("{text}:00:00"),
        _ => text.trim_end_matches('Z').to_owned(),
    };
    let zone = if text.ends_with('Z') {
        TimeZone::UTC
    } else {
        TimeZone::system()
    };
    full.parse::<DateTime>().ok()?.to_zoned(zone).ok()
}

fn api_time(nanos: i128) -> String {
    format!(
        "{}.{:09}",
        nanos.div_euclid(1_000_000_000),
        nanos.rem_euclid(1_000_000_000)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_does() {
        let table = [
            ("1h30m", 5_400_000_000_000),
            ("500ms", 500_000_000),
            ("-1.5s", -1_500_000_000),
            ("0", 0),
        ];
        for (text, want) in table {
            assert_eq!(parse_go_duration_ns(text).unwrap(), want, "{text}");
        }
        for text in ["", "5", "1x", "s"] {
            assert!(parse_go_duration_ns(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_read() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let table = [
            ("10m", "999400.000000000"),
            ("2026-11-21T13:46:26.5Z", "1795268786.500000000"),
            ("2026-11-21T13:46:26+01:00", "1795265186.000000000"),
            ("1795268786.25", "1795268786.25"),
        ];
        for (text, want) in table {
            assert_eq!(timestamp_argument(text, now).unwrap(), want, "{text}");
        }
        assert!(timestamp_argument("yesterday", now).is_err());
    }
}
