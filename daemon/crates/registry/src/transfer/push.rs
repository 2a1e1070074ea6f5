//! Pushing: from an image in the store to a tag in a registry.
//!
//! The manifest an image came with is pushed byte for byte if every blob it names can be had; else
//! one is written from what its layers became.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gantry_ids::{Digest, ImageRef, Platform};
use gantry_image::{BlobId, ChainId, DiffId, Image, Packing, Pin, PushedManifest};

use super::Transfers;
use super::error::TransferError;
use super::event::{Event, Events, LayerEvent};
use super::pinned::Pinned;
use super::push_layer::LayerPush;
use super::resolve::chains;
use super::watch::tell;
use super::written::manifest_for;
use crate::client::Repository;
use crate::credentials::Credentials;
use crate::hosts::Purpose;
use crate::manifest::{Descriptor, Document, Manifest};

/// What is to be pushed.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// A repository with a tag, or without: then all its tags are pushed.
    pub reference: ImageRef,
    /// Only the image for this platform.
    pub platform: Option<Platform>,
    /// How all layers are to be compressed; none: as they came, and as the engine was told where that is not to be had.
    pub packing: Option<Packing>,
    /// Who asks.
    pub credentials: Credentials,
}

/// Where a push goes.
pub(super) struct PushTo<'a> {
    pub(super) target: &'a Repository,
    /// The target's domain.
    pub(super) domain: &'a str,
    /// `domain/path`.
    pub(super) repository: String,
    pub(super) credentials: &'a Credentials,
    pub(super) packing: Option<Packing>,
    pub(super) events: &'a Events,
}

/// An image of which all but the manifest is in the registry.
pub(super) struct MadeManifest {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
    pub(super) layers: Vec<PushedLayer>,
}

/// One tag that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The tag.
    pub reference: ImageRef,
    /// Its manifest.
    pub digest: Digest,
}

/// A layer of an image that is pushed, in the words of its store.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredLayer {
    pub(super) diff_id: DiffId,
    pub(super) chain: ChainId,
}

/// What a layer became in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PushedLayer {
    pub(super) diff_id: DiffId,
    pub(super) blob: BlobId,
    pub(super) media_type: String,
}

impl Transfers {
    /// Pushes a tag, or all tags of a repository.
    ///
    /// # Errors
    /// [`TransferError`]; tags that were pushed before it are in the registry.
    pub async fn push(
        self: &Arc<Self>,
        request: &PushRequest,
        events: &Events,
    ) -> Result<Vec<Pushed>, TransferError> {
        let reference = &request.reference;
        if reference.digest().is_some() {
            return Err(TransferError::PushDigest);
        }
        let repository = reference.name();
        tell(events, Event::Pushing { repository }).await;
        let tags = self.tags_to_push(reference)?;
        let target = self.target(request).await?;
        let to = PushTo {
            target: &target,
            domain: reference.domain(),
            repository: reference.name(),
            credentials: &request.credentials,
            packing: request.packing,
            events,
        };
        let mut pushed = Vec::new();
        for (reference, image) in tags {
            let platform = request.platform.as_ref();
            let image = match platform {
                Some(_) => self.images.find_for(&reference.to_string(), platform)?,
                None => image,
            };
            let one = self.push_one(&to, (&reference, &image), platform).await;
            let (digest, size_bytes) = one?;
            let tag = reference.tag().unwrap_or_default().to_owned();
            let event = Event::Pushed {
                tag,
                digest,
                size_bytes,
            };
            tell(events, event).await;
            pushed.push(Pushed { reference, digest });
        }
        Ok(pushed)
    }

    fn tags_to_push(
        &self,
        wanted: &ImageRef,
    ) -> Result<Vec<(ImageRef, Arc<Image>)>, TransferError> {
        let mut found = Vec::new();
        for image in self.images.list() {
            if image.is_variant {
                continue;
            }
            for tag in image.tags.iter().filter(|tag| tag.same_repository(wanted)) {
                // An image may have one name for itself and another together with others.
                if self
                    .images
                    .find(&tag.to_string())
                    .is_ok_and(|meant| meant.id == image.id)
                {
                    found.push((tag.clone(), Arc::clone(&image)));
                }
            }
        }
        if found.is_empty() {
            return Err(TransferError::NoImage(wanted.familiar_name()));
        }
        if wanted.tag().is_some() {
            found.retain(|(tag, _)| tag == wanted);
        }
        if found.is_empty() {
            return Err(TransferError::NoTag(wanted.familiar()));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// The first endpoint that answers.
    pub(super) async fn target(
        self: &Arc<Self>,
        request: &PushRequest,
    ) -> Result<Repository, TransferError> {
        let (domain, path) = (request.reference.domain(), request.reference.path());
        let mut last = None;
        for endpoint in self.registries.endpoints(domain, Purpose::Push).await? {
            let credentials = request.credentials.clone();
            let opened = self
                .registries
                .open(&endpoint, path, Purpose::Push, credentials);
            match opened.await {
                Ok(repository) => return Ok(repository),
                Err(error) if error.is_transport() => last = Some(error),
                Err(error) => return Err(TransferError::of_push(error)),
            }
        }
        Err(last.map_or(TransferError::Cancelled, TransferError::of_push))
    }

    async fn push_one(
        self: &Arc<Self>,
        to: &PushTo<'_>,
        (reference, image): (&ImageRef, &Arc<Image>),
        platform: Option<&Platform>,
    ) -> Result<(Digest, u64), TransferError> {
        let whole = match platform {
            Some(_) => None,
            None => self.push_index(to, reference).await?,
        };
        if let Some(pushed) = whole {
            return Ok(pushed);
        }
        let made = self.push_image(to, image).await?;
        let tag = reference.tag().unwrap_or_default();
        let bytes = made.bytes.clone();
        let digest = to.target.put_manifest(tag, &made.media_type, bytes).await;
        let digest = digest.map_err(TransferError::of_push)?;
        let size = made.bytes.len() as u64;
        self.remember(image, made, to, Some(reference)).await?;
        Ok((digest, size))
    }

    /// Pushes an image's layers and configuration, and says what its manifest is.
    pub(super) async fn push_image(
        self: &Arc<Self>,
        to: &PushTo<'_>,
        image: &Arc<Image>,
    ) -> Result<MadeManifest, TransferError> {
        let stored = stored_layers(image);
        let pinned = self.pin(stored.last().map(|layer| layer.chain)).await?;
        let manifest = self.own_manifest(image).await?;
        for layer in stored.iter().rev() {
            let id = layer.diff_id.digest().short();
            let what = LayerEvent::Preparing;
            tell(to.events, Event::Layer { id, what }).await;
        }
        let mut pushing = FuturesUnordered::new();
        for (index, layer) in distinct(&stored) {
            let wanted = manifest
                .as_ref()
                .map(|(manifest, _)| manifest.layers[index].clone());
            let push = LayerPush {
                transfers: self,
                to,
                layer,
                wanted,
            };
            pushing.push(push.run());
        }
        let mut pushed: Vec<PushedLayer> = Vec::new();
        while let Some(layer) = pushing.next().await {
            pushed.push(layer?);
        }
        drop(pinned);
        let layers: Vec<PushedLayer> = stored
            .iter()
            .filter_map(|layer| pushed.iter().find(|pushed| pushed.diff_id == layer.diff_id))
            .cloned()
            .collect();
        let (media_type, bytes) = manifest_for(manifest, image, &layers);
        push_config(to.target, image)
            .await
            .map_err(TransferError::of_push)?;
        Ok(MadeManifest {
            media_type,
            bytes,
            layers,
        })
    }

    async fn pin(&self, chain: Option<ChainId>) -> Result<Option<Pinned>, TransferError> {
        let Some(chain) = chain else { return Ok(None) };
        let images = Arc::clone(&self.images);
        let pinned = tokio::task::spawn_blocking(move || {
            let pin: Option<Pin> = images.pin(&chain);
            pin.map(|pin| Pinned::new(images, pin))
        });
        pinned.await.map_err(|_| TransferError::Thread)
    }

    /// The manifest an image came with, if it is one of this image.
    async fn own_manifest(
        &self,
        image: &Arc<Image>,
    ) -> Result<Option<(Manifest, Bytes)>, TransferError> {
        let Some((digest, _)) = image.manifest else {
            return Ok(None);
        };
        let images = Arc::clone(&self.images);
        let bytes = tokio::task::spawn_blocking(move || images.manifest(&digest)).await;
        let Some(bytes) = bytes.map_err(|_| TransferError::Thread)?? else {
            return Ok(None);
        };
        let Ok(Document::Manifest(manifest)) = Document::parse(&bytes, "") else {
            return Ok(None);
        };
        let layers = image.config.file().rootfs.diff_ids.len();
        let is_its =
            manifest.config.digest == *image.id.digest() && manifest.layers.len() == layers;
        Ok(is_its.then(|| (manifest, bytes.into())))
    }

    /// Remembers where the blobs are now, and the manifest, so that the next push is the same.
    pub(super) async fn remember(
        &self,
        image: &Arc<Image>,
        made: MadeManifest,
        to: &PushTo<'_>,
        reference: Option<&ImageRef>,
    ) -> Result<(), TransferError> {
        let images = Arc::clone(&self.images);
        let (id, reference) = (image.id, reference.cloned());
        let repository = to.repository.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let layers = made.layers.iter();
            let blobs: Vec<_> = layers.map(|layer| (layer.blob, layer.diff_id)).collect();
            let pushed = PushedManifest {
                bytes: &made.bytes,
                repository: &repository,
                reference: reference.as_ref(),
            };
            images.keep_pushed(&id, &blobs, pushed)
        });
        Ok(kept.await.map_err(|_| TransferError::Thread)??)
    }
}

fn stored_layers(image: &Image) -> Vec<StoredLayer> {
    let diffs = &image.config.file().rootfs.diff_ids;
    let chains = chains(&image.config);
    let both = diffs.iter().zip(chains);
    both.map(|(diff_id, chain)| StoredLayer {
        diff_id: *diff_id,
        chain,
    })
    .collect()
}

/// Each layer once, with its first place.
fn distinct(stored: &[StoredLayer]) -> impl Iterator<Item = (usize, StoredLayer)> {
    let first = |index: usize| {
        let diff_id = stored[index].diff_id;
        !stored[..index].iter().any(|layer| layer.diff_id == diff_id)
    };
    (0..stored.len())
        .filter(move |index| first(*index))
        .map(|index| (index, stored[index]))
}

async fn push_config(
    target: &Repository,
    image: &Image,
) -> Result<(), crate::error::RegistryError> {
    let digest = image.id.digest();
    if target.has_blob(digest).await?.is_some() {
        return Ok(());
    }
    target
        .put_blob(digest, Bytes::copy_from_slice(image.config.raw()))
        .await
}

impl PushedLayer {
    pub(super) fn of(diff_id: DiffId, descriptor: &Descriptor) -> Self {
        Self {
            diff_id,
            blob: BlobId {
                digest: descriptor.digest,
                size_bytes: descriptor.size,
                packing: Packing::of_media_type(&descriptor.media_type),
            },
            media_type: descriptor.media_type.clone(),
        }
    }
}
