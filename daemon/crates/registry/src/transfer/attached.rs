//! What an index says of an image beside the image: attestations. Kept as they came, so that a push of
//! the index is the index that was pulled.

use bytes::Bytes;
use serde::Deserialize;

use crate::client::Repository;
use crate::error::RegistryError;
use crate::manifest::{Descriptor, Index};

/// The most bytes that are kept for one image.
const ATTACHED_MAX_BYTES: u64 = 16 << 20;

/// What a manifest of whatever kind names.
#[derive(Debug, Deserialize)]
struct Names {
    #[serde(default)]
    config: Option<Named>,
    #[serde(default)]
    layers: Vec<Named>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    #[serde(default)]
    media_type: String,
    digest: gantry_ids::Digest,
    size: u64,
}

/// The blobs that a document names.
pub(super) fn blobs(document: &[u8]) -> Vec<Descriptor> {
    let Ok(names) = serde_json::from_slice::<Names>(document) else {
        return Vec::new();
    };
    let all = names.config.into_iter().chain(names.layers);
    all.map(|one| Descriptor::new(one.media_type, one.digest, one.size))
        .collect()
}

/// The documents and blobs of what attests to an image. An image is none the worse without.
pub(super) async fn attestations(
    repository: &Repository,
    index: &Index,
    image: &Descriptor,
) -> Vec<Bytes> {
    let digest = image.digest.to_string();
    let mut found = Vec::new();
    for descriptor in &index.manifests {
        if descriptor.attests() != Some(&digest) {
            continue;
        }
        match attestation(repository, descriptor).await {
            Ok(parts) => found.extend(parts),
            Err(error) => tracing::debug!(%error, %digest, "could not fetch an attestation"),
        }
    }
    found
}

async fn attestation(
    repository: &Repository,
    descriptor: &Descriptor,
) -> Result<Vec<Bytes>, RegistryError> {
    let (document, _) = repository.document(&descriptor.digest.to_string()).await?;
    let blobs = blobs(&document);
    let bytes = blobs
        .iter()
        .fold(0_u64, |sum, blob| sum.saturating_add(blob.size));
    if bytes > ATTACHED_MAX_BYTES {
        tracing::debug!(bytes, "an attestation is too long to be kept");
        return Ok(Vec::new());
    }
    let mut parts = vec![document];
    for blob in &blobs {
        parts.push(repository.small_blob(blob).await?);
    }
    Ok(parts)
}
