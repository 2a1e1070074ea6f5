//! A token server's answer, and how long it is good for. Pure.

use std::time::{Duration, Instant};

use serde::Deserialize;

/// What a token without `expires_in` is good for (docker's token specification).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// Servers that say less than this are taken to mean this.
const LEAST_LIFE: Duration = Duration::from_secs(60);
/// A token is not used so shortly before its end.
const MARGIN: Duration = Duration::from_secs(5);

/// A token for one registry and one set of scopes.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    good_until: Instant,
    /// What can be exchanged for further tokens in the password's place, if the server gave it.
    pub refresh: Option<String>,
}

/// Why an answer is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not the JSON it should be.
    #[error("unable to decode token response")]
    Json(#[source] serde_json::Error),
    /// It has neither `token` nor `access_token`.
    #[error("authorization server did not include a token in the response")]
    Missing,
    /// The token could not stand in a header.
    #[error("authorization server gave a token with odd characters")]
    Odd,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Token {
    /// Reads a token server's answer that came at `now`.
    ///
    /// # Errors
    /// [`TokenError`] if it has no token.
    pub fn parse(body: &[u8], now: Instant) -> Result<Self, TokenError> {
        let answer: Answer = serde_json::from_slice(body).map_err(TokenError::Json)?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let text = filled(answer.access_token).or_else(|| filled(answer.token));
        let text = text.ok_or(TokenError::Missing)?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Odd);
        }
        let life = answer.expires_in.map_or(DEFAULT_LIFE, |seconds| {
            // A day is more than any pull needs, and cannot overflow.
            Duration::from_secs(seconds.min(86_400)).max(LEAST_LIFE)
        });
        Ok(Self {
            text,
            good_until: now + life,
            refresh: filled(answer.refresh_token),
        })
    }

    /// A token that somebody else got (`registrytoken` of `X-Registry-Auth`): good for as long as we
    /// use it.
    #[must_use]
    pub fn given(text: &str, now: Instant) -> Self {
        Self {
            text: text.to_owned(),
            good_until: now + Duration::from_secs(86_400),
            refresh: None,
        }
    }

    /// What goes into the header, if it is still good at `now`.
    #[must_use]
    pub fn text(&self, now: Instant) -> Option<&str> {
        (now + MARGIN < self.good_until).then_some(&self.text)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_token_servers() {
        let now = Instant::now();
        let read = |body: &str| Token::parse(body.as_bytes(), now);
        let good_at = |body: &str, seconds: u64| {
            let token = read(body).unwrap();
            token
                .text(now + Duration::from_secs(seconds))
                .map(str::to_owned)
        };
        assert_eq!(good_at(r#"{"token":"a"}"#, 50), Some("a".to_owned()));
        assert_eq!(good_at(r#"{"token":"a"}"#, 56), None);
        assert_eq!(
            good_at(
                r#"{"token":"a","access_token":"b","expires_in":300,"x":1}"#,
                290
            ),
            Some("b".to_owned())
        );
        assert_eq!(
            good_at(r#"{"token":"a","expires_in":1}"#, 50),
            Some("a".to_owned())
        );
        assert!(good_at(r#"{"token":"a","expires_in":18446744073709551615}"#, 0).is_some());
        let refresh = read(r#"{"access_token":"b","refresh_token":"r"}"#).unwrap();
        assert_eq!(refresh.refresh.as_deref(), Some("r"));
        assert!(matches!(read(r#"{"token":""}"#), Err(TokenError::Missing)));
        assert!(matches!(read(r#"{"token":"a\nb"}"#), Err(TokenError::Odd)));
        assert!(matches!(
            read("[]"),
            Err(TokenError::Json(_) | TokenError::Missing)
        ));
        assert!(!format!("{:?}", read(r#"{"token":"secret"}"#)).contains("secret"));
    }
}
