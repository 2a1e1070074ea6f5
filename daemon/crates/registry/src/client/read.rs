//! Reading from a repository: manifests, blobs, tags.

use bytes::Bytes;
use gantry_ids::Digest;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LINK, RANGE};
use http::{HeaderValue, Method, StatusCode};
use reqwest::Response;
use serde::Deserialize;
use url::Url;

use super::answer::{Named, whole};
use super::exchange::Call;
use super::{Repository, with_retries};
use crate::error::RegistryError;
use crate::manifest::{Descriptor, Document, MANIFEST_MAX_BYTES, ManifestError};
use crate::{media, retry};

/// The most tags of a repository that are listed.
pub const TAGS_MAX: usize = 10_000;
const TAGS_PAGE_MAX_BYTES: u64 = 4 << 20;

/// A manifest or an index, as it came and as what it says.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The bytes; their digest was compared.
    pub bytes: Bytes,
    /// Their digest.
    pub digest: Digest,
    /// What they say.
    pub document: Document,
}

/// A blob on its way in.
#[derive(Debug)]
pub struct BlobAnswer {
    response: Response,
    named: Named,
    /// Where in the blob the bytes begin: the registry may not know ranges.
    pub starts_at: u64,
}

impl BlobAnswer {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// [`RegistryError::Transport`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let chunk = self.response.chunk().await;
        chunk.map_err(|error| self.named.failed(error))
    }

    /// The error of an answer that came too slowly or ended early.
    #[must_use]
    pub fn broken(&self, why: &'static str) -> RegistryError {
        self.named.broken(why)
    }
}

impl Repository {
    /// Fetches the manifest or index of a tag or digest, and verifies it.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Manifest`], [`RegistryError::Transport`].
    pub async fn manifest(&self, reference: &str) -> Result<Fetched, RegistryError> {
        with_retries(retry::ATTEMPTS, || self.manifest_once(reference)).await
    }

    async fn manifest_once(&self, reference: &str) -> Result<Fetched, RegistryError> {
        let (bytes, content_type) = self.document(reference).await?;
        let document = Document::parse(&bytes, &content_type)?;
        Ok(Fetched {
            digest: Digest::of(&bytes),
            bytes,
            document,
        })
    }

    /// A document of whatever kind, and its media type; its digest was compared if it was asked for
    /// by it.
    ///
    /// # Errors
    /// As [`Self::manifest`].
    pub async fn document(&self, reference: &str) -> Result<(Bytes, String), RegistryError> {
        let call = self.manifest_call(Method::GET, reference)?;
        let response = self.send(&call).await?;
        let content_type = text(&response, &CONTENT_TYPE);
        let bytes = whole(response, &call.named(), MANIFEST_MAX_BYTES as u64).await?;
        let digest = Digest::of(&bytes);
        if let Ok(expected) = reference.parse::<Digest>()
            && expected != digest
        {
            let found = digest;
            return Err(ManifestError::Digest { expected, found }.into());
        }
        Ok((bytes, content_type))
    }

    /// The digest, size and media type behind a tag or digest, without fetching it; none if the
    /// registry does not say them.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Transport`].
    pub async fn head(&self, reference: &str) -> Result<Option<Descriptor>, RegistryError> {
        with_retries(retry::ATTEMPTS, || self.head_once(reference)).await
    }

    async fn head_once(&self, reference: &str) -> Result<Option<Descriptor>, RegistryError> {
        let call = self.manifest_call(Method::HEAD, reference)?;
        let response = self.send(&call).await?;
        let digest = response.headers().get("docker-content-digest");
        let digest = digest.and_then(|value| value.to_str().ok()?.parse().ok());
        let size = text(&response, &CONTENT_LENGTH).parse().ok();
        let (Some(digest), Some(size)) = (digest, size) else {
            return Ok(None);
        };
        let media_type = text(&response, &CONTENT_TYPE);
        Ok(Some(Descriptor::new(media_type, digest, size)))
    }

    fn manifest_call(&self, method: Method, reference: &str) -> Result<Call, RegistryError> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let mut call = Call::new(method, url);
        for accepted in media::ACCEPT {
            call.headers
                .append(ACCEPT, HeaderValue::from_static(accepted));
        }
        Ok(call)
    }

    /// Fetches a small blob whole, and verifies it.
    ///
    /// # Errors
    /// [`RegistryError::Verification`], [`RegistryError::Size`], [`RegistryError::Refused`],
    /// [`RegistryError::Transport`].
    pub async fn small_blob(&self, blob: &Descriptor) -> Result<Bytes, RegistryError> {
        with_retries(retry::ATTEMPTS, || self.small_blob_once(blob)).await
    }

    async fn small_blob_once(&self, blob: &Descriptor) -> Result<Bytes, RegistryError> {
        let call = Call::new(Method::GET, self.blob_url(&blob.digest)?);
        let response = self.send(&call).await?;
        let bytes = whole(response, &call.named(), blob.size).await?;
        if bytes.len() as u64 != blob.size {
            let (digest, expected, found) = (blob.digest, blob.size, bytes.len() as u64);
            return Err(RegistryError::Size {
                digest,
                expected,
                found,
            });
        }
        if Digest::of(&bytes) != blob.digest {
            return Err(RegistryError::Verification(blob.digest));
        }
        Ok(bytes)
    }

    /// Asks for a blob from the byte `from` on. Its digest is the caller's to compare.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Transport`], [`RegistryError::Size`],
    /// [`RegistryError::Protocol`].
    pub async fn blob(&self, blob: &Descriptor, from: u64) -> Result<BlobAnswer, RegistryError> {
        let elsewhere = foreign_url(blob);
        let url = elsewhere.map_or_else(|| self.blob_url(&blob.digest), Ok)?;
        let mut call = Call::new(Method::GET, url);
        call.is_short = false;
        if from > 0 {
            let range = HeaderValue::try_from(format!("bytes={from}-"));
            call.headers
                .insert(RANGE, range.expect("digits are a header"));
        }
        let response = self.send(&call).await?;
        let named = call.named();
        let starts_at = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => {
                let range = text(&response, &CONTENT_RANGE);
                match range_start(&range) {
                    Some(start) if start <= from => start,
                    _ => return Err(named.odd("the range is not the one that was asked for")),
                }
            }
            _ => return Err(named.odd("neither the blob nor a range of it")),
        };
        let announced = response.content_length();
        if let Some(found) = announced.map(|length| length.saturating_add(starts_at))
            && found != blob.size
        {
            let (digest, expected) = (blob.digest, blob.size);
            return Err(RegistryError::Size {
                digest,
                expected,
                found,
            });
        }
        Ok(BlobAnswer {
            response,
            named,
            starts_at,
        })
    }

    /// Whether the repository has a blob, and its size.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] for anything but "not there", [`RegistryError::Transport`].
    pub async fn has_blob(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        with_retries(retry::ATTEMPTS, || async {
            let call = Call::new(Method::HEAD, self.blob_url(digest)?);
            match self.send(&call).await {
                Ok(response) => Ok(text(&response, &CONTENT_LENGTH).parse().ok()),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// All tags of the repository, in the registry's order.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], [`RegistryError::Transport`], [`RegistryError::Protocol`].
    pub async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut url = self.url("tags/list")?;
        let mut tags = Vec::new();
        loop {
            let call = Call::new(Method::GET, url.clone());
            let response = with_retries(retry::ATTEMPTS, || self.send(&call)).await?;
            let next = next_page(&text(&response, &LINK), &url);
            let body = whole(response, &call.named(), TAGS_PAGE_MAX_BYTES).await?;
            let page: Page =
                serde_json::from_slice(&body).map_err(|_| call.named().odd("no list of tags"))?;
            let page = page.tags.unwrap_or_default();
            let is_last = page.is_empty();
            tags.extend(page);
            match next {
                _ if tags.len() > TAGS_MAX => return Err(call.named().odd("too many tags")),
                Some(next) if !is_last => url = next,
                _ => return Ok(tags),
            }
        }
    }

    pub(super) fn blob_url(&self, digest: &Digest) -> Result<Url, RegistryError> {
        self.url(&format!("blobs/{digest}"))
    }
}

/// Where a layer is that its registry may not give out (image-spec, "urls").
fn foreign_url(blob: &Descriptor) -> Option<Url> {
    let mut urls = blob.urls.iter().filter_map(|url| Url::parse(url).ok());
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https");
    media::is_foreign(&blob.media_type).then(|| urls.find(is_web))?
}

/// A header's value; empty if there is none that is text.
pub(super) fn text(response: &Response, name: &http::HeaderName) -> String {
    let value = response.headers().get(name);
    let value = value.and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// `bytes 5-9/10` begins at 5.
fn range_start(header: &str) -> Option<u64> {
    let range = header.trim().strip_prefix("bytes")?.trim_start();
    range.split('-').next()?.parse().ok()
}

/// The next page of a list, if it is at the same registry (RFC 8288).
fn next_page(link: &str, here: &Url) -> Option<Url> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = rest.replace(' ', "").contains("rel=\"next\"") || rest.contains("rel=next");
    let url = here.join(target).ok()?;
    (is_next && url.origin() == here.origin()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_pages() {
        assert_eq!(range_start("bytes 5-9/10"), Some(5));
        assert_eq!(range_start("bytes */10"), None);
        assert_eq!(range_start("5-9"), None);
        let here = Url::parse("http://r:1/v2/a/tags/list").unwrap();
        let next = next_page("</v2/a/tags/list?last=x&n=2>; rel=\"next\"", &here).unwrap();
        assert_eq!(next.as_str(), "http://r:1/v2/a/tags/list?last=x&n=2");
        assert!(next_page("<http://other/x>; rel=\"next\"", &here).is_none());
        assert!(next_page("</x>; rel=\"prev\"", &here).is_none());
    }
}
