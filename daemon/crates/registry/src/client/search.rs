//! Searching a registry's index (docker's `/v1/search`).

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use url::Url;

use super::Registries;
use super::answer::whole;
use super::exchange::Call;
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::hosts::{DOCKER_IO, Purpose};

/// Where docker's own index is.
const DOCKER_INDEX: &str = "https://index.docker.io/";
const ANSWER_MAX_BYTES: u64 = 4 << 20;

/// A repository that an index found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SearchHit {
    /// How many people like it.
    pub star_count: i64,
    /// Whether its makers of the index vouch for it.
    pub is_official: bool,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    results: Vec<SearchHit>,
}

impl Registries {
    /// Asks the index of the registry called `domain` for repositories like `term`, at most `most`.
    ///
    /// # Errors
    /// [`RegistryError::Index`] if a registry of one's own cannot be asked,
    /// [`RegistryError::Transport`], [`RegistryError::Refused`], [`RegistryError::Protocol`].
    pub async fn search(
        self: &Arc<Self>,
        (domain, term): (&str, &str),
        most: u32,
        credentials: &Credentials,
    ) -> Result<Vec<SearchHit>, RegistryError> {
        let mut failures = Vec::new();
        let endpoints = self.endpoints(domain, Purpose::Push).await?;
        for endpoint in endpoints {
            let base = match domain {
                DOCKER_IO => Url::parse(DOCKER_INDEX).expect("a constant"),
                _ => endpoint.base.clone(),
            };
            let registry = self.connect(&endpoint, "", Vec::new(), Credentials::Anonymous)?;
            if domain != DOCKER_IO {
                let ping = Call::new(Method::GET, v1(&base, "_ping")?);
                if let Err(error) = registry.0.follow(&ping, None).await {
                    let scheme = base.scheme().to_ascii_uppercase();
                    failures.push(format!(
                        "{scheme} attempt: {}",
                        gantry_errors::chain(&error)
                    ));
                    continue;
                }
            }
            let mut url = v1(&base, "search")?;
            url.query_pairs_mut()
                .append_pair("q", term)
                .append_pair("n", &most.to_string());
            let call = Call::new(Method::GET, url);
            let authorization = match credentials {
                Credentials::Password { .. } => credentials.basic(),
                _ => None,
            };
            let answer = registry.0.follow(&call, authorization.as_deref()).await?;
            if !answer.status().is_success() {
                return Err(RegistryError::IndexStatus(answer.status().as_u16()));
            }
            let body = whole(answer, &call.named(), ANSWER_MAX_BYTES).await?;
            return hits(&body).ok_or_else(|| call.named().odd("no list of repositories"));
        }
        Err(RegistryError::Index {
            base: format!("http://{domain}/v1/"),
            why: failures.join(". "),
        })
    }
}

fn hits(body: &Bytes) -> Option<Vec<SearchHit>> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    Some(answer.results)
}

/// An address of the registry's first protocol.
fn v1(base: &Url, path: &str) -> Result<Url, RegistryError> {
    base.join(&format!("/v1/{path}"))
        .map_err(|_| RegistryError::Host(base.to_string()))
}
