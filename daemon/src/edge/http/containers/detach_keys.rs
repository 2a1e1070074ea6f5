//! The keys that end an attached session: `ctrl-p,ctrl-q`.

use crate::edge::http::error::ApiError;

/// Docker's default: ctrl-p, ctrl-q.
const DEFAULT: [u8; 2] = [16, 17];

/// The bytes a terminal sends for the keys; an empty text is the default.
///
/// # Errors
/// 400 with dockerd's text for a key that does not exist.
pub(in crate::edge::http) fn parse(text: &str) -> Result<Vec<u8>, ApiError> {
    if text.is_empty() {
        return Ok(DEFAULT.to_vec());
    }
    text.split(',')
        .map(key)
        .collect::<Option<_>>()
        .ok_or_else(|| ApiError::invalid(format!("Invalid detach keys ({text}) provided")))
}

fn key(text: &str) -> Option<u8> {
    let Some(control) = text.strip_prefix("ctrl-") else {
        return match text.as_bytes() {
            [byte] => Some(*byte),
            _ if text == "DEL" => Some(127),
            _ => None,
        };
    };
    match control.as_bytes() {
        [b'@'] => Some(0),
        [letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        [b'['] => Some(27),
        [b'\\'] => Some(28),
        [b']'] => Some(29),
        [b'^'] => Some(30),
        [b'_'] => Some(31),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        assert_eq!(parse("").unwrap(), [16, 17]);
        assert_eq!(parse("ctrl-a,x,ctrl-@").unwrap(), [1, b'x', 0]);
        assert_eq!(parse("DEL").unwrap(), [127]);
        let error = parse("ctrl-1").unwrap_err();
        assert_eq!(error.message(), "Invalid detach keys (ctrl-1) provided");
    }
}
