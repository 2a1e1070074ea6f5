//! Times of records: RFC 3339 in UTC with up to nine digits of fraction.

use jiff::Timestamp;

/// Reads the shape that Go and jiff write, `2026-11-21T12:00:00.123Z`, into nanoseconds since 1970.
pub(super) fn parse_ns(text: &[u8]) -> Option<i64> {
    let text = text.strip_suffix(b"Z")?;
    let (seconds, fraction) = text.split_at_checked(19)?;
    let number = |range: std::ops::Range<usize>| digits(&seconds[range]);
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators
        .iter()
        .any(|(at, separator)| seconds[*at] != *separator)
    {
        return None;
    }
    let days = days_since_1970(number(0..4)?, number(5..7)?, number(8..10)?);
    let clock = (number(11..13)? * 60 + number(14..16)?) * 60 + number(17..19)?;
    let nanoseconds = match fraction {
        [] => 0,
        [b'.', digits_of @ ..] if digits_of.len() <= 9 => {
            let scale = 9 - u32::try_from(digits_of.len()).ok()?;
            digits(digits_of)? * 10_i64.pow(scale)
        }
        _ => return None,
    };
    (days * 86_400 + clock)
        .checked_mul(1_000_000_000)?
        .checked_add(nanoseconds)
}

fn digits(text: &[u8]) -> Option<i64> {
    let mut number = 0;
    for digit in text {
        number = number * 10 + i64::from(char::from(*digit).to_digit(10)?);
    }
    (!text.is_empty()).then_some(number)
}

/// Days of the proleptic Gregorian calendar, by Howard Hinnant's method: years begin in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Any RFC 3339 time.
pub(super) fn parse_any(text: &str) -> Option<i64> {
    parse_ns(text.as_bytes()).or_else(|| {
        let stamp: Timestamp = text.parse().ok()?;
        i64::try_from(stamp.as_nanosecond()).ok()
    })
}

/// The time with nine digits of fraction, as clients get it.
pub(super) fn stamp_of(ns: i64) -> Option<String> {
    let stamp = Timestamp::from_nanosecond(ns.into()).ok()?;
    Some(format!("{stamp:.9}"))
}

/// Writes a record's time with nine digits of fraction and a space over `room`.
pub(super) fn write_stamp(text: &[u8], room: &mut [u8]) -> Option<()> {
    let text = text.strip_suffix(b"Z")?;
    let (seconds, fraction) = text.split_at_checked(19)?;
    let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
    room.get_mut(..30)?
        .copy_from_slice(b"0000-00-00T00:00:00.000000000Z");
    room[..19].copy_from_slice(seconds);
    room.get_mut(20..20 + fraction.len())
        .filter(|_| fraction.len() <= 9)?
        .copy_from_slice(fraction);
    *room.get_mut(30)? = b' ';
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_fast_parser_agrees_with_jiff(ns in -60_000_000_000_000_000_i64..9_000_000_000_000_000_000) {
            let text = Timestamp::from_nanosecond(ns.into()).unwrap().to_string();
            prop_assert_eq!(parse_ns(text.as_bytes()), Some(ns));
            let mut room = [0; 31];
            write_stamp(text.as_bytes(), &mut room).unwrap();
            let stamp = stamp_of(ns).unwrap();
            prop_assert_eq!(&room[..30], stamp.as_bytes());
        }

        #[test]
        fn nonsense_never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            parse_ns(&text);
            write_stamp(&text, &mut [0; 31]);
        }
    }
}
