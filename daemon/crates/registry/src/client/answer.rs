//! Reading answers: with limits, and refusals as what they say.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use serde::Deserialize;

use crate::error::{ApiError, RegistryError};
use crate::retry::retry_after;

/// How much of a refusal is read.
const REFUSAL_MAX_BYTES: u64 = 64 << 10;
const MESSAGE_MAX_CHARS: usize = 1000;

/// Method and address of a request, as errors name them.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) method: &'static str,
    pub(super) url: String,
}

impl Named {
    pub(super) fn failed(&self, cause: reqwest::Error) -> RegistryError {
        RegistryError::Transport {
            method: self.method,
            url: self.url.clone(),
            cause,
        }
    }

    pub(super) fn broken(&self, why: &'static str) -> RegistryError {
        RegistryError::Broken {
            method: self.method,
            url: self.url.clone(),
            why,
        }
    }

    pub(super) fn odd(&self, what: &'static str) -> RegistryError {
        RegistryError::Protocol {
            url: self.url.clone(),
            what,
        }
    }
}

/// Reads a whole body of at most `limit` bytes.
pub(super) async fn whole(
    mut response: Response,
    named: &Named,
    limit: u64,
) -> Result<Bytes, RegistryError> {
    let too_long = || RegistryError::TooLong {
        url: named.url.clone(),
        limit,
    };
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|e| named.failed(e))? {
        if (body.len() + piece.len()) as u64 > limit {
            return Err(too_long());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    errors: Option<Vec<RefusalItem>>,
    /// What some token servers and proxies say instead.
    #[serde(default, alias = "message", alias = "error_description")]
    details: Option<String>,
}

#[derive(Deserialize)]
struct RefusalItem {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Passes success on and makes everything else a [`RegistryError::Refused`].
pub(super) async fn accept(response: Response, named: &Named) -> Result<Response, RegistryError> {
    if response.status().is_success() {
        return Ok(response);
    }
    Err(refusal(response, named).await)
}

/// A refusal from its status and body.
pub(super) async fn refusal(response: Response, named: &Named) -> RegistryError {
    let status = response.status().as_u16();
    let asked = asked_pause(&response);
    // A refusal that cannot be read is one without words.
    let body = whole(response, named, REFUSAL_MAX_BYTES)
        .await
        .unwrap_or_default();
    RegistryError::Refused {
        status,
        errors: errors_of(&body),
        retry_after: asked,
    }
}

fn asked_pause(response: &Response) -> Option<Duration> {
    let header = response.headers().get(http::header::RETRY_AFTER)?;
    retry_after(header.to_str().ok()?, jiff::Timestamp::now())
}

fn errors_of(body: &[u8]) -> Vec<ApiError> {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return Vec::new();
    };
    let short = |text: Option<String>| -> String {
        let text = text.unwrap_or_default();
        text.chars().take(MESSAGE_MAX_CHARS).collect()
    };
    let items = refusal.errors.unwrap_or_default();
    if items.is_empty() {
        let details = short(refusal.details);
        return match details.is_empty() {
            true => Vec::new(),
            false => vec![ApiError {
                code: "UNKNOWN".to_owned(),
                message: details,
            }],
        };
    }
    let named = items.into_iter().take(10).map(|item| ApiError {
        code: short(item.code.or(Some("UNKNOWN".to_owned()))),
        message: short(item.message),
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_every_form() {
        let told = |body: &str| {
            let error = RegistryError::Refused {
                status: 404,
                errors: errors_of(body.as_bytes()),
                retry_after: None,
            };
            error.to_string()
        };
        assert_eq!(
            told(
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"a":1}}]}"#
            ),
            "manifest unknown: manifest unknown"
        );
        assert_eq!(told(r#"{"errors":[{"code":"DENIED"}]}"#), "denied");
        assert_eq!(told(r#"{"details":"no way"}"#), "unknown: no way");
        assert_eq!(
            told("<html>"),
            "received unexpected HTTP status: 404 Not Found"
        );
    }
}
