//! Fetching a file from anywhere, for `import` and `ADD`.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{ETAG, HeaderName, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use jiff::Timestamp;
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
        let found = self.download_unless(address, None).await?;
        Ok(found.expect("nothing was said to be known"))
    }

    /// As [`Registries::download`]; none if it is still what has this `ETag`.
    ///
    /// # Errors
    /// As [`Registries::download`].
    pub async fn download_unless(
        self: &Arc<Self>,
        address: &Url,
        etag: Option<&str>,
    ) -> Result<Option<Download>, RegistryError> {
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
            let mut request = http.get(url.clone());
            if let Some(etag) = etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            let response = request.send().await;
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
                    return Ok(Some(Download { response, named }));
                }
                None if etag.is_some() && response.status() == StatusCode::NOT_MODIFIED => {
                    return Ok(None);
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

    /// Its `ETag`, if the server says one.
    #[must_use]
    pub fn etag(&self) -> Option<String> {
        self.header(ETAG)
    }

    /// When it was made (`Last-Modified`), if the server says it.
    #[must_use]
    pub fn modified(&self) -> Option<Timestamp> {
        let text = self.header(LAST_MODIFIED)?;
        let at = jiff::fmt::rfc2822::parse(&text).ok()?;
        Some(at.timestamp())
    }

    fn header(&self, name: HeaderName) -> Option<String> {
        let value = self.response.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
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
