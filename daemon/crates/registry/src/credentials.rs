//! Who a client says it is: the `X-Registry-Auth` header and the body of `POST /auth`. Pure.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

/// Longer headers are not read.
const HEADER_MAX_BYTES: usize = 64 << 10;

/// What is told to a registry. Never printed.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// Nothing.
    #[default]
    Anonymous,
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A refresh token that an earlier login got.
    Identity {
        /// The token.
        token: String,
    },
    /// A bearer token for the registry itself.
    Registry {
        /// The token.
        token: String,
    },
}

/// Why credentials cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Not base64 of JSON.
    #[error("invalid X-Registry-Auth header")]
    Header,
    /// The JSON has wrong types.
    #[error("invalid X-Registry-Auth header")]
    Json(#[source] serde_json::Error),
}

/// `AuthConfig` of the API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AuthConfig {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

impl Credentials {
    /// Reads the header: base64 (URL-safe or not, padded or not) of an `AuthConfig`. An empty header
    /// is nobody.
    ///
    /// # Errors
    /// [`CredentialsError`]; dockerd goes on without credentials then, and so may the caller.
    pub fn from_header(header: &[u8]) -> Result<Self, CredentialsError> {
        let header = header.trim_ascii();
        if header.is_empty() {
            return Ok(Self::Anonymous);
        }
        if header.len() > HEADER_MAX_BYTES {
            return Err(CredentialsError::Header);
        }
        let bytes = URL_SAFE
            .decode(header)
            .or_else(|_| STANDARD.decode(header))
            .map_err(|_| CredentialsError::Header)?;
        Self::from_json(&bytes)
    }

    /// Reads an `AuthConfig`.
    ///
    /// # Errors
    /// [`CredentialsError::Json`].
    pub fn from_json(json: &[u8]) -> Result<Self, CredentialsError> {
        if json.trim_ascii().is_empty() {
            return Ok(Self::Anonymous);
        }
        let config: AuthConfig = serde_json::from_slice(json).map_err(CredentialsError::Json)?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(token) = filled(config.registrytoken) {
            return Ok(Self::Registry { token });
        }
        if let Some(token) = filled(config.identitytoken) {
            return Ok(Self::Identity { token });
        }
        if let Some(user) = filled(config.username) {
            return Ok(Self::Password {
                user,
                password: config.password.unwrap_or_default(),
            });
        }
        let pair = filled(config.auth).and_then(|auth| {
            let pair = String::from_utf8(STANDARD.decode(auth.as_bytes()).ok()?).ok()?;
            let (user, password) = pair.split_once(':')?;
            (!user.is_empty()).then(|| (user.to_owned(), password.to_owned()))
        });
        Ok(
            pair.map_or(Self::Anonymous, |(user, password)| Self::Password {
                user,
                password,
            }),
        )
    }

    /// The value of an `Authorization: Basic` header, if there is a password.
    #[must_use]
    pub fn basic(&self) -> Option<String> {
        let Self::Password { user, password } = self else {
            return None;
        };
        let pair = format!("{user}:{password}");
        Some(format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        ))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password(..)",
            Self::Identity { .. } => "Identity(..)",
            Self::Registry { .. } => "Registry(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> Credentials {
        Credentials::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    #[test]
    fn headers_of_clients() {
        let header = |json: &str, padded: bool| {
            let engine = if padded {
                base64::engine::general_purpose::URL_SAFE
            } else {
                base64::engine::general_purpose::URL_SAFE_NO_PAD
            };
            Credentials::from_header(engine.encode(json).as_bytes()).unwrap()
        };
        for padded in [true, false] {
            assert_eq!(header("{}", padded), Credentials::Anonymous);
            assert_eq!(
                header(
                    r#"{"username":"ä","password":"p:?>","serveraddress":"x"}"#,
                    padded
                ),
                password("ä", "p:?>")
            );
            assert_eq!(
                header(r#"{"auth":"YTpiOmM="}"#, padded),
                password("a", "b:c")
            );
            assert_eq!(
                header(
                    r#"{"username":"a","identitytoken":"t","password":null}"#,
                    padded
                ),
                Credentials::Identity {
                    token: "t".to_owned()
                }
            );
            assert_eq!(
                header(r#"{"registrytoken":"t"}"#, padded),
                Credentials::Registry {
                    token: "t".to_owned()
                }
            );
        }
        assert_eq!(
            Credentials::from_header(b" ").unwrap(),
            Credentials::Anonymous
        );
        assert!(Credentials::from_header(b"!!!").is_err());
        assert!(Credentials::from_header(b"W10x").is_err());
    }

    #[test]
    fn passwords_are_not_printed() {
        let credentials = password("user", "hidden");
        assert_eq!(format!("{credentials:?}"), "Password(..)");
        assert_eq!(
            credentials.basic().as_deref(),
            Some("Basic dXNlcjpoaWRkZW4=")
        );
    }
}
