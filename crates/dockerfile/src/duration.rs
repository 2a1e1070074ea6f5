//! Go's durations: `1h30m`, `1.5s`, `100ms`; in nanoseconds.

use crate::quote::quote;

const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration.
///
/// # Errors
/// What Go's `time.ParseDuration` says, without its `time: `.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid duration {}", quote(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let (whole, fraction) = rest[..number]
            .split_once('.')
            .unwrap_or((&rest[..number], ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(invalid());
        }
        rest = &rest[number..];
        let end = rest
            .find(|letter: char| letter == '.' || letter.is_ascii_digit())
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(format!("missing unit in duration {}", quote(text)));
        }
        let name = &rest[..end];
        let Some((_, unit)) = UNITS.iter().find(|(unit, _)| *unit == name) else {
            return Err(format!(
                "unknown unit {} in duration {}",
                quote(name),
                quote(text)
            ));
        };
        let part = scaled(whole, fraction, *unit).ok_or_else(invalid)?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = &rest[end..];
    }
    Ok(if negative { -total } else { total })
}

fn scaled(whole: &str, fraction: &str, unit: i64) -> Option<i64> {
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut part = 0;
    let mut scale = unit;
    for digit in fraction.bytes() {
        scale /= 10;
        part += scale * i64::from(digit - b'0');
    }
    whole.checked_mul(unit)?.checked_add(part)
}

/// Writes a duration as Go's `Duration.String`.
#[must_use]
pub(crate) fn format(nanoseconds: i64) -> String {
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    let decimal = |value: u64, unit: u64, name: &str| {
        let fraction = value % unit;
        if fraction == 0 {
            return format!("{}{name}", value / unit);
        }
        let width = unit.ilog10() as usize;
        let digits = format!("{fraction:0width$}");
        format!("{}.{}{name}", value / unit, digits.trim_end_matches('0'))
    };
    let text = match all {
        ..1_000 => format!("{all}ns"),
        1_000..1_000_000 => decimal(all, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(all, 1_000_000, "ms"),
        _ => {
            let minutes = all / 60_000_000_000;
            let seconds = decimal(all % 60_000_000_000, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}
