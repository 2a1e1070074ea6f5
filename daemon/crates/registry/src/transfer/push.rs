//! Pushing: from an image in the store to a tag in a registry.
//!
//! The manifest an image came with is pushed byte for byte if every blob it names can be had; else
//! one is written from what its layers became.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gantry_ids::{Digest, ImageRef};
use gantry_image::{BlobId, ChainId, DiffId, Image, Pin};
use serde::Serialize;

use super::Transfers;
use super::error::TransferError;
use super::event::{Event, Events, LayerEvent};
use super::pinned::Pinned;
use super::push_layer::LayerPush;
use super::resolve::chains;
use super::watch::tell;
use crate::client::Repository;
use crate::credentials::Credentials;
use crate::hosts::Purpose;
use crate::manifest::{Descriptor, Document, Manifest};
use crate::media;

/// What is to be pushed.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// A repository with a tag, or without: then all its tags are pushed.
    pub reference: ImageRef,
    /// Who asks.
    pub credentials: Credentials,
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
        let mut pushed = Vec::new();
        for (reference, image) in tags {
            let one = self
                .push_one(&target, (&reference, &image), request, events)
                .await;
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
            for tag in image.tags.iter().filter(|tag| tag.same_repository(wanted)) {
                found.push((tag.clone(), Arc::clone(&image)));
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
    async fn target(self: &Arc<Self>, request: &PushRequest) -> Result<Repository, TransferError> {
        let (domain, path) = (request.reference.domain(), request.reference.path());
        let mut last = None;
        for endpoint in self.registries.endpoints(domain, Purpose::Push)? {
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
        target: &Repository,
        (reference, image): (&ImageRef, &Arc<Image>),
        request: &PushRequest,
        events: &Events,
    ) -> Result<(Digest, u64), TransferError> {
        let stored = stored_layers(image);
        let pinned = self.pin(stored.last().map(|layer| layer.chain)).await?;
        let manifest = self.own_manifest(image).await?;
        for layer in stored.iter().rev() {
            let id = layer.diff_id.digest().short();
            let what = LayerEvent::Preparing;
            tell(events, Event::Layer { id, what }).await;
        }
        let mut pushing = FuturesUnordered::new();
        for (index, layer) in distinct(&stored) {
            let wanted = manifest
                .as_ref()
                .map(|(manifest, _)| manifest.layers[index].clone());
            let push = LayerPush {
                transfers: self,
                target,
                domain: reference.domain(),
                credentials: &request.credentials,
                layer,
                wanted,
                events,
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
        push_config(target, image)
            .await
            .map_err(TransferError::of_push)?;
        let tag = reference.tag().unwrap_or_default();
        let digest = target.put_manifest(tag, &media_type, bytes.clone()).await;
        let digest = digest.map_err(TransferError::of_push)?;
        self.remember(image, layers, &bytes, reference).await?;
        Ok((digest, bytes.len() as u64))
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
    async fn remember(
        &self,
        image: &Arc<Image>,
        layers: Vec<PushedLayer>,
        manifest: &Bytes,
        reference: &ImageRef,
    ) -> Result<(), TransferError> {
        let images = Arc::clone(&self.images);
        let (id, manifest, reference) = (image.id, manifest.clone(), reference.clone());
        let kept = tokio::task::spawn_blocking(move || {
            let blobs: Vec<_> = layers
                .iter()
                .map(|layer| (layer.blob, layer.diff_id))
                .collect();
            images.keep_pushed(&id, &blobs, &manifest, &reference)
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

/// The manifest the image came with, if its layers are the ones that were pushed, or a new one.
fn manifest_for(
    own: Option<(Manifest, Bytes)>,
    image: &Image,
    layers: &[PushedLayer],
) -> (String, Bytes) {
    let is_oci = own
        .as_ref()
        .is_some_and(|(own, _)| own.media_type == media::OCI_MANIFEST);
    if let Some((own, bytes)) = own {
        let mut both = own.layers.iter().zip(layers);
        if both.all(|(descriptor, layer)| descriptor.digest == layer.blob.digest) {
            return (own.media_type, bytes);
        }
    }
    write(image, layers, is_oci)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewManifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: NewDescriptor<'a>,
    layers: Vec<NewDescriptor<'a>>,
}

/// In the order in which docker writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewDescriptor<'a> {
    media_type: &'a str,
    size: u64,
    digest: Digest,
}

/// A new manifest, indented by three blanks as docker's are.
fn write(image: &Image, layers: &[PushedLayer], is_oci: bool) -> (String, Bytes) {
    // A layer that docker's media types have no word for.
    let is_oci = is_oci || layers.iter().any(|layer| layer.media_type.contains("zstd"));
    let (media_type, config) = if is_oci {
        (media::OCI_MANIFEST, media::OCI_CONFIG)
    } else {
        (media::DOCKER_MANIFEST, media::DOCKER_CONFIG)
    };
    let layers = layers.iter().map(|layer| NewDescriptor {
        media_type: media::in_family(&layer.media_type, is_oci),
        size: layer.blob.size_bytes,
        digest: layer.blob.digest,
    });
    let manifest = NewManifest {
        schema_version: 2,
        media_type,
        config: NewDescriptor {
            media_type: config,
            size: image.config.raw().len() as u64,
            digest: *image.id.digest(),
        },
        layers: layers.collect(),
    };
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, format);
    manifest
        .serialize(&mut serializer)
        .expect("plain fields into memory");
    (media_type.to_owned(), bytes.into())
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
            },
            media_type: descriptor.media_type.clone(),
        }
    }
}
