//! Sizes as go-units writes and reads them.

use anyhow::{Result, bail};

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// `1.982MB`: powers of 1000, four digits.
pub(crate) fn decimal_size(bytes: f64) -> String {
    scaled(bytes, 1000.0, &DECIMAL, 4)
}

/// `1.98MB`: powers of 1000, three digits.
pub(crate) fn decimal_size_precise(bytes: f64) -> String {
    scaled(bytes, 1000.0, &DECIMAL, 3)
}

/// `23.54GiB`: powers of 1024, four digits.
pub(crate) fn binary_size(bytes: f64) -> String {
    scaled(bytes, 1024.0, &BINARY, 4)
}

fn scaled(mut size: f64, base: f64, units: &[&str], digits: usize) -> String {
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    format!("{}{}", general(size, digits), units[unit])
}

/// C's `%.{digits}g`.
fn general(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let places = i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent;
    if exponent < -4 || places < 0 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    trim(&format!("{value:.*}", usize::try_from(places).unwrap_or(0))).to_owned()
}

fn trim(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

/// Reads `512m`, `1.5GiB`, `1024`: powers of 1024.
pub(crate) fn parse_binary(text: &str) -> Result<i64> {
    parse(text)
}

fn parse(text: &str) -> Result<i64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let Ok(number) = number.parse::<f64>() else {
        bail!("invalid size: '{text}'")
    };
    let suffix = suffix
        .strip_prefix(' ')
        .unwrap_or(suffix)
        .to_ascii_lowercase();
    let suffix = suffix.strip_suffix('b').unwrap_or(&suffix);
    let suffix = suffix.strip_suffix('i').unwrap_or(suffix);
    let power = match suffix {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => bail!("invalid suffix: '{suffix}'"),
    };
    let bytes = number * 1024_f64.powi(power);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, as the engine's check wants"
    )]
    Ok(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_go_units() {
        assert_eq!(decimal_size(1_982_256.0), "1.982MB");
        assert_eq!(decimal_size(0.0), "0B");
        assert_eq!(decimal_size(1000.0), "1kB");
        assert_eq!(decimal_size(126.0), "126B");
        assert_eq!(decimal_size_precise(1_982_256.0), "1.98MB");
        assert_eq!(decimal_size_precise(999_900.0), "1e+03kB");
        assert_eq!(binary_size(331_776.0), "324KiB");
        assert_eq!(binary_size(25_275_822_080.0), "23.54GiB");
    }

    #[test]
    fn sizes_are_read() {
        let table = [
            ("512m", 536_870_912),
            ("1.5k", 1536),
            ("10", 10),
            ("2GiB", 2_147_483_648),
            ("3 kB", 3072),
        ];
        for (text, want) in table {
            assert_eq!(parse_binary(text).unwrap(), want, "{text}");
        }
        for text in ["", "x", "1x", "-1"] {
            assert!(parse_binary(text).is_err(), "{text}");
        }
    }
}
