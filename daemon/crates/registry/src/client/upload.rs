//! Writing to a repository: blobs in chunks, mounts, manifests.
//!
//! A chunk is held in memory until the registry has it, so that one that was cut off is resumed from
//! where the registry says it is.

use bytes::Bytes;
use gantry_ids::Digest;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use http::{HeaderValue, Method, StatusCode};
use reqwest::Response;
use url::Url;

use super::exchange::Call;
use super::read::text;
use super::{Repository, with_retries};
use crate::auth::repository_scope;
use crate::error::RegistryError;
use crate::retry::{self, Attempts};

/// Bytes of one chunk: little enough to be held five times over.
pub const CHUNK_BYTES: usize = 4 << 20;

/// What became of a mount.
#[derive(Debug)]
pub enum Mounted {
    /// The blob is in the repository now.
    Yes,
    /// It is not; an upload was begun in its place.
    No(Upload),
}

/// A blob on its way out.
#[derive(Debug)]
pub struct Upload {
    repository: Repository,
    location: Url,
    sent_bytes: u64,
}

impl Repository {
    /// Takes a blob over from another repository of the same registry.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Transport`].
    pub async fn mount(&self, digest: &Digest, from: &str) -> Result<Mounted, RegistryError> {
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut()
            .append_pair("mount", &digest.to_string())
            .append_pair("from", from);
        let mut call = Call::new(Method::POST, url);
        call.body = Some(Bytes::new());
        call.extra_scopes = vec![repository_scope(from, "pull")];
        let response = self.send(&call).await?;
        if response.status() == StatusCode::CREATED {
            return Ok(Mounted::Yes);
        }
        self.begun(&call, &response).map(Mounted::No)
    }

    /// Begins to upload a blob.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Transport`].
    pub async fn upload(&self) -> Result<Upload, RegistryError> {
        let mut call = Call::new(Method::POST, self.url("blobs/uploads/")?);
        call.body = Some(Bytes::new());
        let response = with_retries(retry::ATTEMPTS, || self.send(&call)).await?;
        self.begun(&call, &response)
    }

    fn begun(&self, call: &Call, response: &Response) -> Result<Upload, RegistryError> {
        let location = location(call, response)?;
        Ok(Upload {
            repository: self.clone(),
            location: location.ok_or_else(|| call.named().odd("an upload without an address"))?,
            sent_bytes: 0,
        })
    }

    /// Uploads a small blob in one request.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Transport`].
    pub async fn put_blob(&self, digest: &Digest, bytes: Bytes) -> Result<(), RegistryError> {
        self.upload().await?.finish(digest, bytes).await
    }

    /// Puts a manifest under a tag or its digest. Answers the digest that the registry says.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Transport`].
    pub async fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, RegistryError> {
        let digest = Digest::of(&bytes);
        let mut call = Call::new(Method::PUT, self.url(&format!("manifests/{reference}"))?);
        let media_type = HeaderValue::try_from(media_type);
        let media_type = media_type.map_err(|_| call.named().odd("an odd media type"))?;
        call.headers.insert(CONTENT_TYPE, media_type);
        call.body = Some(bytes);
        with_retries(retry::ATTEMPTS, || self.send(&call)).await?;
        Ok(digest)
    }
}

impl Upload {
    /// Bytes that the registry has so far.
    #[must_use]
    pub const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Sends the next bytes, resuming where a connection broke.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Transport`], [`RegistryError::Protocol`].
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), RegistryError> {
        let end = self.sent_bytes + chunk.len() as u64;
        let mut attempts = Attempts::new(retry::ATTEMPTS);
        let mut rest = chunk;
        while !rest.is_empty() {
            match self.patch(rest.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_temporary() => {
                    let pause = attempts.failed(error.retry_after(), fastrand::f64());
                    let Some(pause) = pause else {
                        return Err(error);
                    };
                    tokio::time::sleep(pause).await;
                    // What the registry has; if it does not say, the upload is lost.
                    let has = self.ask().await?;
                    let start = end - rest.len() as u64;
                    if has < start || has > end {
                        return Err(error);
                    }
                    let skip = usize::try_from(has - start).expect("less than a chunk");
                    rest = rest.slice(skip..);
                    self.sent_bytes = has;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn patch(&mut self, bytes: Bytes) -> Result<(), RegistryError> {
        let (start, length) = (self.sent_bytes, bytes.len() as u64);
        let mut call = Call::new(Method::PATCH, self.location.clone());
        call.is_short = false;
        call.headers.insert(CONTENT_TYPE, octets());
        let range = HeaderValue::try_from(format!("{start}-{}", start + length - 1));
        call.headers
            .insert(CONTENT_RANGE, range.expect("digits are a header"));
        call.body = Some(bytes);
        let response = self.repository.send(&call).await?;
        if let Some(location) = location(&call, &response)? {
            self.location = location;
        }
        self.sent_bytes = start + length;
        Ok(())
    }

    /// How many bytes the registry has (`GET` of the upload).
    async fn ask(&mut self) -> Result<u64, RegistryError> {
        let call = Call::new(Method::GET, self.location.clone());
        let response = self.repository.send(&call).await?;
        if let Some(location) = location(&call, &response)? {
            self.location = location;
        }
        let range = text(&response, &RANGE);
        let last = range
            .rsplit('-')
            .next()
            .and_then(|last| last.parse::<u64>().ok());
        match last {
            // `0-0` is how some say that they have nothing.
            Some(0) | None => Ok(0),
            Some(last) => Ok(last + 1),
        }
    }

    /// Sends the last bytes and ends the upload: the registry compares the digest.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Transport`].
    pub async fn finish(self, digest: &Digest, last: Bytes) -> Result<(), RegistryError> {
        let mut url = self.location.clone();
        url.query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let mut call = Call::new(Method::PUT, url);
        call.is_short = false;
        call.headers.insert(CONTENT_TYPE, octets());
        call.body = Some(last);
        self.repository.send(&call).await.map(drop)
    }

    /// Gives the upload up; the registry may forget it at once.
    pub async fn cancel(self) {
        let call = Call::new(Method::DELETE, self.location.clone());
        let _ = self.repository.send(&call).await;
    }
}

const fn octets() -> HeaderValue {
    HeaderValue::from_static("application/octet-stream")
}

/// Where an upload goes on. It must not lead from TLS to no TLS.
fn location(call: &Call, response: &Response) -> Result<Option<Url>, RegistryError> {
    let header = text(response, &LOCATION);
    if header.is_empty() {
        return Ok(None);
    }
    let url = call.url.join(&header);
    let url = url.map_err(|_| call.named().odd("an upload's address is none"))?;
    if !matches!(url.scheme(), "http" | "https")
        || (call.url.scheme() == "https" && url.scheme() == "http")
    {
        return Err(RegistryError::Downgrade(url.to_string()));
    }
    Ok(Some(url))
}
