//! Pulling: from a reference to an image in the store.

use std::sync::Arc;

use gantry_ids::{Digest, ImageId, ImageRef, Platform};
use gantry_image::{BlobId, ChainId, ImageConfig, Packing, PulledImage, PulledLayer};

use super::Transfers;
use super::attached::attestations;
use super::error::TransferError;
use super::event::{Event, Events};
use super::pinned::Pinned;
use super::resolve::{Resolved, chains, check, configuration, resolve, tag_of, wrong_platform};
use super::watch::{Wanted, WantedLayers, tell, watch_all};
use crate::client::{Fetched, Repository};
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::hosts::Purpose;
use crate::manifest::Manifest;

/// What is to be pulled.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// A reference with a tag or a digest.
    pub reference: ImageRef,
    /// For which platform; none means this machine's, and any if there is only one.
    pub platform: Option<Platform>,
    /// Who asks.
    pub credentials: Credentials,
}

/// What was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The image.
    pub id: ImageId,
    /// What its reference by digest says.
    pub digest: Digest,
    /// Whether the reference meant another image before, or none.
    pub is_new: bool,
}

impl Transfers {
    /// Pulls one image.
    ///
    /// # Errors
    /// [`TransferError`]; nothing of the image is visible then.
    pub async fn pull(
        self: &Arc<Self>,
        request: &PullRequest,
        events: &Events,
    ) -> Result<Pulled, TransferError> {
        let pulled = self.pull_one(request, events).await?;
        let reference = request.reference.familiar();
        let is_new = pulled.is_new;
        tell(events, Event::Status { is_new, reference }).await;
        Ok(pulled)
    }

    /// Pulls every tag of a repository.
    ///
    /// # Errors
    /// [`TransferError`] of the first that fails; those before it are there.
    pub async fn pull_all(
        self: &Arc<Self>,
        request: &PullRequest,
        events: &Events,
    ) -> Result<(), TransferError> {
        let repository = &request.reference;
        let tags = self.tags(request).await?;
        let mut is_new = false;
        for tag in tags {
            let Ok(reference) = repository.with_tag(&tag) else {
                continue;
            };
            let one = PullRequest {
                reference,
                ..request.clone()
            };
            is_new |= self.pull_one(&one, events).await?.is_new;
        }
        let reference = repository.familiar_name();
        tell(events, Event::Status { is_new, reference }).await;
        Ok(())
    }

    async fn tags(self: &Arc<Self>, request: &PullRequest) -> Result<Vec<String>, TransferError> {
        let reference = &request.reference;
        let mut last = None;
        for endpoint in self
            .registries
            .endpoints(reference.domain(), Purpose::Pull)
            .await?
        {
            let credentials = request.credentials.clone();
            let opened = self
                .registries
                .open(&endpoint, reference.path(), Purpose::Pull, credentials)
                .await;
            let tags = match opened {
                Ok(repository) => repository.tags().await,
                Err(error) => Err(error),
            };
            match tags {
                Ok(tags) => return Ok(tags),
                Err(error) if endpoint.is_mirror || error.is_transport() => last = Some(error),
                Err(error) => return Err(TransferError::of_manifest(error, reference)),
            }
        }
        Err(last.map_or(TransferError::Cancelled, |error| {
            TransferError::of_manifest(error, reference)
        }))
    }

    async fn pull_one(
        self: &Arc<Self>,
        request: &PullRequest,
        events: &Events,
    ) -> Result<Pulled, TransferError> {
        let reference = &request.reference;
        let (repository, fetched) = self.find(request).await?;
        let pulling = Event::Pulling {
            tag: match reference.digest() {
                Some(_) => reference.familiar(),
                None => tag_of(reference),
            },
            path: reference.path().to_owned(),
        };
        tell(events, pulling).await;
        let resolved = resolve(&repository, fetched, request).await?;
        let id = ImageId::new(resolved.manifest.config.digest);
        let config = match self.images.get(&id) {
            Some(image) => image.config.clone(),
            None => configuration(&repository, &resolved.manifest).await?,
        };
        check(&config, &resolved.manifest, request)?;
        let is_new = !self.means(reference, &id);
        self.fetch_and_keep(&repository, &resolved, config.clone(), (reference, events))
            .await?;
        tell(events, Event::Digest(resolved.digest)).await;
        if let Some(wrong) = wrong_platform(&config, request) {
            tell(events, wrong).await;
        }
        Ok(Pulled {
            id,
            digest: resolved.digest,
            is_new,
        })
    }

    /// Whether a reference stands for an image already, be it one of several.
    fn means(&self, reference: &ImageRef, id: &ImageId) -> bool {
        let text = reference.to_string();
        let is_one = self
            .images
            .variants_of(&text)
            .is_some_and(|(_, all)| all.has(id));
        is_one || self.images.find(&text).is_ok_and(|image| image.id == *id)
    }

    /// The first endpoint that knows the reference, and what it stands for there; a failure is told
    /// as one of a pull.
    async fn find(
        self: &Arc<Self>,
        request: &PullRequest,
    ) -> Result<(Repository, Fetched), TransferError> {
        let found = self.find_raw(request).await;
        found.map_err(|error| TransferError::of_manifest(error, &request.reference))
    }

    /// The same with the registry's own words.
    pub(super) async fn find_raw(
        self: &Arc<Self>,
        request: &PullRequest,
    ) -> Result<(Repository, Fetched), RegistryError> {
        let reference = &request.reference;
        let mut last = RegistryError::Host(reference.domain().to_owned());
        for endpoint in self
            .registries
            .endpoints(reference.domain(), Purpose::Pull)
            .await?
        {
            let credentials = request.credentials.clone();
            let opened = self
                .registries
                .open(&endpoint, reference.path(), Purpose::Pull, credentials)
                .await;
            let found = match opened {
                Ok(repository) => {
                    let found = repository.manifest(&tag_of(reference)).await;
                    found.map(|fetched| (repository, fetched))
                }
                Err(error) => Err(error),
            };
            match found {
                // Another endpoint may know more; a registry that answers has the last word.
                Err(error) if endpoint.is_mirror || error.is_transport() => {
                    tracing::debug!(endpoint = %endpoint.base, %error, "trying the next endpoint");
                    last = error;
                }
                end => return end,
            }
        }
        Err(last)
    }

    /// Fetches the layers that are missing and keeps the image.
    async fn fetch_and_keep(
        self: &Arc<Self>,
        repository: &Repository,
        resolved: &Resolved,
        config: ImageConfig,
        (reference, events): (&ImageRef, &Events),
    ) -> Result<(), TransferError> {
        let is_known = self.images.get(&config.id()).is_some();
        let wanted = self
            .wanted(repository, &resolved.manifest, &config, is_known)
            .await?;
        let attesting = async {
            match &resolved.chosen {
                Some((index, image)) => attestations(repository, index, image).await,
                None => Vec::new(),
            }
        };
        let watching = async {
            match is_known {
                true => Ok(()),
                false => watch_all(&wanted.layers, events).await,
            }
        };
        let (attached, watched) = tokio::join!(attesting, watching);
        watched?;
        let layers = wanted.layers.iter().map(|(blob, layer)| PulledLayer {
            blob: *blob,
            staged: match layer {
                Wanted::Job(job) => job.take(),
                Wanted::Here | Wanted::Elsewhere => None,
            },
        });
        let tag = reference.tag().filter(|_| reference.digest().is_none());
        let mut references = vec![reference.with_digest(resolved.digest)];
        references.extend(tag.and_then(|tag| reference.with_tag(tag).ok()));
        let image = PulledImage {
            config,
            layers: layers.collect(),
            manifest: resolved.manifest_bytes.clone(),
            index: resolved.index_bytes.clone(),
            attached: attached.iter().map(|bytes| bytes[..].into()).collect(),
            references,
            source: reference.name(),
        };
        let images = Arc::clone(&self.images);
        let kept = tokio::task::spawn_blocking(move || {
            let blobs: Vec<_> = image.layers.iter().map(|layer| layer.blob.digest).collect();
            images.keep_pulled(image)?;
            blobs.iter().for_each(|blob| images.forget_partial(blob));
            // The pin has done its work: the image holds its layers itself.
            drop(wanted);
            Ok::<_, TransferError>(())
        });
        kept.await.unwrap_or(Err(TransferError::Thread))
    }

    /// What is to be done for each layer.
    async fn wanted(
        self: &Arc<Self>,
        repository: &Repository,
        manifest: &Manifest,
        config: &ImageConfig,
        is_known: bool,
    ) -> Result<WantedLayers, TransferError> {
        let chains: Vec<ChainId> = chains(config);
        let images = Arc::clone(&self.images);
        let pinning = tokio::task::spawn_blocking(move || {
            // The highest layer of the image that is here keeps those beneath it.
            let pin = chains
                .iter()
                .enumerate()
                .rev()
                .find_map(|(index, chain)| images.pin(chain).map(|pin| (index + 1, pin)));
            let (here, pin) = pin.map_or((0, None), |(here, pin)| (here, Some(pin)));
            (here, pin.map(|pin| Pinned::new(Arc::clone(&images), pin)))
        });
        let (here, pinned) = pinning.await.map_err(|_| TransferError::Thread)?;
        let layers = manifest.layers.iter().enumerate().map(|(index, layer)| {
            let blob = BlobId {
                digest: layer.digest,
                size_bytes: layer.size,
                packing: Packing::of_media_type(&layer.media_type),
            };
            let wanted = if index < here || is_known {
                Wanted::Here
            } else if self.images.layer_of_blob(&layer.digest)
                == config.file().rootfs.diff_ids.get(index).copied()
            {
                Wanted::Elsewhere
            } else {
                Wanted::Job(self.job(repository, layer))
            };
            (blob, wanted)
        });
        Ok(WantedLayers {
            layers: layers.collect(),
            _pinned: pinned,
        })
    }
}
