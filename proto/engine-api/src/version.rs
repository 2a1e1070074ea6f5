//! Versions of the Engine API and their order.

use std::fmt;
use std::str::FromStr;

/// A version of the Engine API, such as `1.51`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// The part before the dot.
    pub major: u16,
    /// The part after the dot.
    pub minor: u16,
}

impl ApiVersion {
    /// The newest version spoken, and the one of a request without a version in its path.
    pub const MAX: Self = Self::new(1, 51);
    /// The oldest version spoken. Raising it breaks clients that never negotiate.
    pub const MIN: Self = Self::new(1, 24);

    /// A version from its parts.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Whether this version is `1.minor` or newer.
    #[must_use]
    pub const fn at_least(self, minor: u16) -> bool {
        self.major > 1 || (self.major == 1 && self.minor >= minor)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Text that is not `major.minor`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid API version \"{0}\"")]
pub struct InvalidVersion(pub String);

impl FromStr for ApiVersion {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(number(major)?, number(minor)?)))
            .ok_or_else(|| InvalidVersion(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number_and_not_by_text() {
        let old: ApiVersion = "1.9".parse().unwrap();
        assert!(old < ApiVersion::MIN);
        assert!(ApiVersion::MAX.at_least(44) && !old.at_least(24));
        assert_eq!(ApiVersion::MAX.to_string(), "1.51");
    }

    #[test]
    fn anything_but_two_numbers_is_refused() {
        for text in ["", "1", "1.", ".1", "1.2.3", "1.-2", "v1.2", "1.99999999"] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
    }
}
