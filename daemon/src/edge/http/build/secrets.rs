//! Secrets that a client sends along with a classic build: kept in memory until the build ends.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_build::{Agent, Keys, Refusal};
use gantry_engine_api::build::SECRETS_HEADER;
use http::HeaderMap;

use crate::edge::http::error::ApiError;

/// A client's secrets by name.
pub(super) struct Secrets(HashMap<String, Vec<u8>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Their names alone: no log shows what they are.
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Reads the header; none is no secret.
    ///
    /// # Errors
    /// It cannot be read. The answer does not show it.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(header) = headers.get(SECRETS_HEADER) else {
            return Ok(Self(HashMap::new()));
        };
        let invalid = || ApiError::invalid(format!("the header {SECRETS_HEADER} cannot be read"));
        let json = STANDARD.decode(header.as_bytes()).map_err(|_| invalid())?;
        let all: HashMap<String, String> = serde_json::from_slice(&json).map_err(|_| invalid())?;
        let decode = |(id, text): (String, String)| {
            let bytes = STANDARD.decode(text).map_err(|_| invalid())?;
            Ok::<_, ApiError>((id, bytes))
        };
        Ok(Self(all.into_iter().map(decode).collect::<Result<_, _>>()?))
    }
}

impl Keys for Secrets {
    fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(self.0.get(id).cloned())
    }

    fn agent(&self, _: &str, _: &Path) -> Result<Option<Box<dyn Agent>>, Refusal> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_and_not_shown() {
        let json = format!(r#"{{"token":"{}"}}"#, STANDARD.encode("hidden"));
        let mut headers = HeaderMap::new();
        let value = STANDARD.encode(json).parse().unwrap();
        headers.insert(SECRETS_HEADER, value);
        let secrets = Secrets::read(&headers).unwrap();
        assert_eq!(secrets.secret("token").unwrap().unwrap(), b"hidden");
        assert_eq!(secrets.secret("other").unwrap(), None);
        assert_eq!(format!("{secrets:?}"), r#"{"token"}"#);
        headers.insert(SECRETS_HEADER, "nonsense!".parse().unwrap());
        assert!(Secrets::read(&headers).is_err());
        assert!(Secrets::read(&HeaderMap::new()).unwrap().0.is_empty());
    }
}
