//! Values with units: bytes, CPUs, durations.

use std::str::FromStr;

use crate::format::{parse_binary, parse_go_duration_ns};

/// `512m`: powers of 1024.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) i64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_binary(text)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

/// Bytes, or -1: as much swap as there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SwapBytes(pub(crate) i64);

impl FromStr for SwapBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-1" {
            return Ok(Self(-1));
        }
        text.parse::<Bytes>().map(|bytes| Self(bytes.0))
    }
}

/// `1.5` CPUs, in billionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) i64);

impl FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let failed = || format!("failed to parse {text} as a rational number");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return Err(failed());
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 9 {
            return Err("value is too precise".to_owned());
        }
        format!("{whole}{fraction:0<9}")
            .parse()
            .map(Self)
            .map_err(|_| failed())
    }
}

/// Go's durations, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Duration(pub(crate) i64);

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_go_duration_ns(text)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_billionths() {
        let table = [
            ("1.5", 1_500_000_000),
            ("2", 2_000_000_000),
            (".25", 250_000_000),
            ("0.000000001", 1),
        ];
        for (text, want) in table {
            assert_eq!(text.parse::<Cpus>(), Ok(Cpus(want)), "{text}");
        }
        for text in ["", ".", "x", "-1", "0.0000000001"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }
}
