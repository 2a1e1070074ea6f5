//! How a client proves to one registry who it is: a state machine without I/O.
//!
//! ```text
//!            401 Basic             ┌─────────┐
//! Unknown ───────────────────────▶ │  Basic  │ every request carries the password
//!    │                             └─────────┘
//!    │       401 Bearer            ┌─────────┐  no good token for the scopes
//!    └───────────────────────────▶ │ Bearer  │ ─────────────────────────────▶ ask the token server
//!                                  └─────────┘ ◀──────────── got ────────────
//! ```
//!
//! A second 401 to the same request is a refusal, whatever it says: nobody is asked in circles.

use std::collections::HashMap;
use std::time::Instant;

use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::token::Token;

/// Why no way in is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The registry wants a password and none was given.
    #[error("no basic auth credentials")]
    NoCredentials,
    /// What was given is not good enough.
    #[error("unauthorized: authentication required")]
    Denied,
    /// It wants something that nobody here speaks.
    #[error("unauthorized: the registry offers no way of authentication that this engine knows")]
    NoWay,
}

/// What to do before a request is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send it, with this `Authorization` header or none.
    Send(Option<String>),
    /// Ask the token server first.
    Ask(TokenRequest),
}

/// What a token server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// Its URL.
    pub realm: String,
    /// What it calls the registry.
    pub service: String,
    /// What the token shall be good for.
    pub scopes: Vec<String>,
    /// In whose name.
    pub grant: Grant,
}

/// In whose name a token is asked for.
#[derive(Clone, PartialEq, Eq)]
pub enum Grant {
    /// Nobody's: what is public.
    Anonymous,
    /// `GET` with a `Basic` header.
    Basic {
        /// The header's value.
        header: String,
        /// The name, which is also the parameter `account`.
        user: String,
    },
    /// `POST` with a refresh token (OAuth 2.0, section 6).
    Refresh(String),
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic(..)",
            Self::Refresh(_) => "Refresh(..)",
        })
    }
}

/// What is known of one registry's ways.
#[derive(Debug)]
enum Way {
    /// It has not said anything yet.
    Unknown,
    Basic,
    Bearer {
        realm: String,
        service: String,
        tokens: HashMap<Vec<String>, Token>,
    },
}

/// One client's standing with one registry.
#[derive(Debug)]
pub struct Auth {
    credentials: Credentials,
    way: Way,
}

impl Auth {
    /// A client that has not asked anything yet.
    #[must_use]
    pub const fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            way: Way::Unknown,
        }
    }

    /// What a request that needs `scopes` takes.
    #[must_use]
    pub fn before(&self, scopes: &[String], now: Instant) -> Step {
        if let Credentials::Registry { token } = &self.credentials {
            return Step::Send(Some(format!("Bearer {token}")));
        }
        match &self.way {
            Way::Unknown => Step::Send(None),
            Way::Basic => Step::Send(self.credentials.basic()),
            Way::Bearer {
                realm,
                service,
                tokens,
            } => match tokens.get(scopes).and_then(|token| token.text(now)) {
                Some(text) => Step::Send(Some(format!("Bearer {text}"))),
                None => Step::Ask(TokenRequest {
                    realm: realm.clone(),
                    service: service.clone(),
                    scopes: scopes.to_vec(),
                    grant: self.grant(),
                }),
            },
        }
    }

    /// Takes in a 401 to a request that needed `scopes`. `again` says that it was sent with what the
    /// first 401 led to.
    ///
    /// # Errors
    /// [`Refused`] if nothing else can be tried.
    pub fn challenged(
        &mut self,
        scopes: &[String],
        challenges: &[Challenge],
        again: bool,
    ) -> Result<(), Refused> {
        if again || matches!(self.credentials, Credentials::Registry { .. }) {
            return Err(Refused::Denied);
        }
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service, .. } => Some((realm, service)),
            Challenge::Basic { .. } => None,
        });
        if let Some((new_realm, new_service)) = bearer {
            return self.bearer(scopes, new_realm, new_service);
        }
        if challenges.is_empty() {
            return Err(Refused::NoWay);
        }
        // A password that was sent already is wrong.
        if matches!(self.way, Way::Basic) {
            return Err(Refused::Denied);
        }
        if self.credentials.basic().is_none() {
            return Err(Refused::NoCredentials);
        }
        self.way = Way::Basic;
        Ok(())
    }

    fn bearer(&mut self, scopes: &[String], realm: &str, service: &str) -> Result<(), Refused> {
        if let Way::Bearer {
            realm: known,
            service: of,
            tokens,
        } = &mut self.way
            && known == realm
            && of == service
        {
            // It was good for too little, or is good no longer.
            tokens.remove(scopes);
            return Ok(());
        }
        self.way = Way::Bearer {
            realm: realm.to_owned(),
            service: service.to_owned(),
            tokens: HashMap::new(),
        };
        Ok(())
    }

    /// Takes in a token.
    pub fn got(&mut self, request: &TokenRequest, token: Token) {
        if let Way::Bearer { realm, tokens, .. } = &mut self.way
            && *realm == request.realm
        {
            tokens.insert(request.scopes.clone(), token);
        }
    }

    fn grant(&self) -> Grant {
        match (&self.credentials, self.credentials.basic()) {
            (Credentials::Identity { token }, _) => Grant::Refresh(token.clone()),
            (Credentials::Password { user, .. }, Some(header)) => Grant::Basic {
                header,
                user: user.clone(),
            },
            _ => Grant::Anonymous,
        }
    }
}

/// `repository:<path>:<actions>`, as token servers want it.
#[must_use]
pub fn repository_scope(path: &str, actions: &str) -> String {
    format!("repository:{path}:{actions}")
}

#[cfg(test)]
mod tests;
