//! Fetching a file from anywhere, for `import`.

use std::sync::Arc;

use bytes::Bytes;
use http::header::LOCATION;
use reqwest::Response;
use url::Url;

use super::Registries;
use super::answer::{Named, whole};
use super::exchange::REDIRECTS_MAX;
use crate::error::RegistryError;
use crate::hosts::TlsPolicy;

/// How much of a refusal is told.
const REFUSAL_MAX_BYTES: u64 = 512;

/// A file on its way in.
#[derive(Debug)]
pub struct Download {
    response: Response,
    named: Named,
}

impl Registries {
    /// Asks for what is at an address; follows redirects, never from https to http.
    ///
    /// # Errors
    /// [`RegistryError::Transport`], [`RegistryError::Status`], [`RegistryError::Scheme`],
    /// [`RegistryError::Downgrade`], [`RegistryError::Redirects`].
    pub async fn download(self: &Arc<Self>, address: &Url) -> Result<Download, RegistryError> {
        let http = self.client(&TlsPolicy::default())?;
        let mut url = address.clone();
        for _ in 0..=REDIRECTS_MAX {
            let named = Named {
                method: "Get",
                url: url.to_string(),
            };
            if !matches!(url.scheme(), "http" | "https") {
                let scheme = url.scheme().to_owned();
                let url = named.url;
                return Err(RegistryError::Scheme { url, scheme });
            }
            let response = http.get(url.clone()).send().await;
            let response = response.map_err(|error| named.failed(error))?;
            let location = response
                .headers()
                .get(LOCATION)
                .filter(|_| response.status().is_redirection());
            let next = location.and_then(|value| url.join(value.to_str().ok()?).ok());
            match next {
                Some(next) if url.scheme() == "https" && next.scheme() == "http" => {
                    return Err(RegistryError::Downgrade(next.to_string()));
                }
                Some(next) => url = next,
                None if response.status().is_success() => {
                    return Ok(Download { response, named });
                }
                None => return Err(refused(response, address, &named).await),
            }
        }
        Err(RegistryError::Redirects(REDIRECTS_MAX))
    }
}

async fn refused(response: Response, address: &Url, named: &Named) -> RegistryError {
    let status = response.status().to_string();
    let body = whole(response, named, REFUSAL_MAX_BYTES)
        .await
        .unwrap_or_default();
    RegistryError::Status {
        url: address.to_string(),
        status,
        body: String::from_utf8_lossy(&body).trim().to_owned(),
    }
}

impl Download {
    /// Its length, if the server says it.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// [`RegistryError::Transport`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let chunk = self.response.chunk().await;
        chunk.map_err(|error| self.named.failed(error))
    }
}
