//! Looking at a reference in its registry without pulling it.

use std::sync::Arc;

use bytes::Bytes;
use gantry_ids::{Digest, Platform};
use serde::Deserialize;

use super::Transfers;
use super::error::TransferError;
use super::pull::PullRequest;
use crate::manifest::{Descriptor, Document};

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The media type of its manifest or index.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
    /// The platforms it has images for.
    pub platforms: Vec<Platform>,
}

/// A manifest or index as a registry has it.
#[derive(Debug, Clone)]
pub struct RegistryDocument {
    /// What it is, and for which platform.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Bytes,
}

/// The most documents of one index that are fetched.
const DOCUMENTS_MAX: usize = 64;

impl Transfers {
    /// Fetches the document of a reference; of an index all that it lists, too.
    ///
    /// # Errors
    /// [`TransferError::Registry`].
    pub async fn documents(
        self: &Arc<Self>,
        request: &PullRequest,
    ) -> Result<Vec<RegistryDocument>, TransferError> {
        let (repository, fetched) = self.find_raw(request).await?;
        let media_type = fetched.document.media_type();
        let size = fetched.bytes.len() as u64;
        let mut found = vec![RegistryDocument {
            descriptor: Descriptor::new(media_type, fetched.digest, size),
            bytes: fetched.bytes,
        }];
        if let Document::Index(index) = fetched.document {
            for descriptor in index.manifests.into_iter().take(DOCUMENTS_MAX) {
                let (bytes, _) = repository.document(&descriptor.digest.to_string()).await?;
                found.push(RegistryDocument { descriptor, bytes });
            }
        }
        Ok(found)
    }

    /// Fetches the manifest or index of a reference and says what it is.
    ///
    /// # Errors
    /// [`TransferError::Registry`].
    pub async fn describe(
        self: &Arc<Self>,
        request: &PullRequest,
    ) -> Result<Described, TransferError> {
        #[derive(Deserialize)]
        struct Config {
            os: Option<String>,
            architecture: Option<String>,
            variant: Option<String>,
        }
        let (repository, fetched) = self.find_raw(request).await?;
        let platforms = match &fetched.document {
            Document::Index(index) => index.platforms().cloned().collect(),
            Document::Manifest(manifest) => {
                let config = repository.small_blob(&manifest.config).await?;
                let config: Option<Config> = serde_json::from_slice(&config).ok();
                let platform = config.map(|config| Platform {
                    os: config.os.unwrap_or_default(),
                    architecture: config.architecture.unwrap_or_default(),
                    variant: config.variant.unwrap_or_default(),
                });
                platform.into_iter().collect()
            }
        };
        Ok(Described {
            media_type: fetched.document.media_type().to_owned(),
            digest: fetched.digest,
            size_bytes: fetched.bytes.len() as u64,
            platforms,
        })
    }
}
