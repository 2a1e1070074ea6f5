//! What a person types to mean an image: a reference, an identifier, or its beginning.

use std::str::FromStr;

use crate::{Digest, ImageId, ImageRef, ReferenceError};

/// One way to read a text that means an image.
///
/// `sha256:…` and 64 digits can only be an identifier. Everything else is a reference first, and if
/// no image has it and it is hexadecimal ([`is_hex_prefix`]), the beginning of an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageQuery {
    /// A whole identifier.
    Id(ImageId),
    /// A reference, with or without tag and digest.
    Named(ImageRef),
}

impl FromStr for ImageQuery {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(digest) = Digest::from_hex(text) {
            return Ok(Self::Id(ImageId::new(digest)));
        }
        if let Ok(digest) = text.parse::<Digest>() {
            return Ok(Self::Id(ImageId::new(digest)));
        }
        text.parse().map(Self::Named)
    }
}

/// Whether `text` could be the beginning of an identifier: 1–64 lower-case hexadecimal digits.
#[must_use]
pub fn is_hex_prefix(text: &str) -> bool {
    let digits = text.as_bytes();
    (1..=64).contains(&digits.len())
        && digits
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_identifiers_are_not_references() {
        let hex = "ab".repeat(32);
        let id = ImageQuery::Id(ImageId::new(Digest::from_hex(&hex).unwrap()));
        assert_eq!(hex.parse(), Ok(id.clone()));
        assert_eq!(format!("sha256:{hex}").parse(), Ok(id));
        assert!(matches!("abc".parse(), Ok(ImageQuery::Named(_))));
        assert!("ab c".parse::<ImageQuery>().is_err());
    }

    #[test]
    fn prefixes() {
        assert!(is_hex_prefix("0") && is_hex_prefix(&"f".repeat(64)));
        assert!(!is_hex_prefix("") && !is_hex_prefix("xyz") && !is_hex_prefix("ABC"));
        assert!(!is_hex_prefix(&"f".repeat(65)));
    }
}
