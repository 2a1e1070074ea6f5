//! Pushing what is here of an index: each image by its digest, then the index under the tag.
//!
//! The index that was pulled is pushed byte for byte if all its images are here; of several that are
//! not all, a new index is written; a single one of them is pushed without an index, as docker does.

use std::sync::Arc;

use bytes::Bytes;
use gantry_ids::{Digest, ImageRef};
use gantry_image::{Image, Variant, Variants};
use serde::Serialize;

use super::Transfers;
use super::attached::blobs;
use super::error::TransferError;
use super::event::Event;
use super::push::PushTo;
use super::watch::tell;
use crate::error::RegistryError;
use crate::manifest::{Descriptor, Document, Index};
use crate::media;

/// An index, as it came and as what it says.
struct Kept {
    bytes: Bytes,
    index: Index,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewIndex {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl Transfers {
    /// Pushes the index that a reference stands for; none if it is to be pushed as one image.
    pub(super) async fn push_index(
        self: &Arc<Self>,
        to: &PushTo<'_>,
        reference: &ImageRef,
    ) -> Result<Option<(Digest, u64)>, TransferError> {
        let Some(variants) = self.images.variants(reference) else {
            return Ok(None);
        };
        let Some(kept) = self.kept_index(&variants).await? else {
            return Ok(None);
        };
        let here = |one: &Descriptor| variants.images.iter().find(|v| v.manifest == one.digest);
        if variants.images.len() < 2 && !self.is_whole(&kept.index, here).await? {
            return Ok(None);
        }
        let mut entries = Vec::new();
        let mut images = Vec::new();
        for one in &kept.index.manifests {
            if let Some(variant) = here(one)
                && let Some(image) = self.images.get(&variant.image)
            {
                let entry = self.push_part(to, one, &image).await?;
                images.push(Variant {
                    manifest: entry.digest,
                    image: image.id,
                });
                entries.push(entry);
            }
        }
        self.push_extras(to, &kept.index, &mut entries, &variants)
            .await?;
        if entries.is_empty() {
            return Ok(None);
        }
        let (media_type, bytes) = written(kept, &entries);
        let tag = reference.tag().unwrap_or_default();
        let digest = to
            .target
            .put_manifest(tag, &media_type, bytes.clone())
            .await;
        let digest = digest.map_err(TransferError::of_push)?;
        self.remember_index(reference, bytes.clone(), images)
            .await?;
        Ok(Some((digest, bytes.len() as u64)))
    }

    /// Pushes what says something of images that were pushed, and tells what was left out because its image is
    /// another manifest now.
    async fn push_extras(
        &self,
        to: &PushTo<'_>,
        index: &Index,
        entries: &mut Vec<Descriptor>,
        variants: &Variants,
    ) -> Result<(), TransferError> {
        let pushed: Vec<_> = entries.iter().map(|e| e.digest.to_string()).collect();
        let mut lost = 0;
        for one in index.manifests.iter().filter(|one| is_extra(one)) {
            // An attestation names what it is of by its digest.
            let of = one.attests();
            if of.is_none_or(|of| pushed.iter().any(|it| it == of)) {
                if self.push_extra(to, one).await? {
                    entries.push(one.clone());
                }
            } else if variants
                .images
                .iter()
                .any(|v| Some(&*v.manifest.to_string()) == of)
            {
                lost += 1;
            }
        }
        if lost > 0 {
            tell(to.events, Event::NotAttested(lost)).await;
        }
        Ok(())
    }

    /// Whether all that an index lists is here.
    async fn is_whole<'a>(
        &self,
        index: &Index,
        here: impl Fn(&Descriptor) -> Option<&'a Variant>,
    ) -> Result<bool, TransferError> {
        for one in &index.manifests {
            if here(one).is_none() && (!is_extra(one) || self.small(one.digest).await?.is_none()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn kept_index(&self, variants: &Variants) -> Result<Option<Kept>, TransferError> {
        let (images, digest) = (Arc::clone(&self.images), variants.index);
        let bytes = tokio::task::spawn_blocking(move || images.manifest(&digest)).await;
        let Some(bytes) = bytes.map_err(|_| TransferError::Thread)?? else {
            return Ok(None);
        };
        let bytes = Bytes::from(bytes);
        Ok(match Document::parse(&bytes, "") {
            Ok(Document::Index(index)) => Some(Kept { bytes, index }),
            _ => None,
        })
    }

    /// Pushes one image of an index, by its digest.
    async fn push_part(
        self: &Arc<Self>,
        to: &PushTo<'_>,
        listed: &Descriptor,
        image: &Arc<Image>,
    ) -> Result<Descriptor, TransferError> {
        let made = self.push_image(to, image).await?;
        let (digest, size) = (Digest::of(&made.bytes), made.bytes.len() as u64);
        let (by, bytes) = (digest.to_string(), made.bytes.clone());
        let put = to.target.put_manifest(&by, &made.media_type, bytes);
        put.await.map_err(TransferError::of_push)?;
        let entry = Descriptor {
            media_type: made.media_type.clone(),
            digest,
            size,
            ..listed.clone()
        };
        self.remember(image, made, to, None).await?;
        Ok(entry)
    }

    /// Pushes an attestation; no if it is not here, or attests to what is not pushed as it came.
    async fn push_extra(
        &self,
        to: &PushTo<'_>,
        listed: &Descriptor,
    ) -> Result<bool, TransferError> {
        let Some(document) = self.small(listed.digest).await? else {
            return Ok(false);
        };
        for blob in blobs(&document) {
            let has = to.target.has_blob(&blob.digest).await;
            if has.map_err(TransferError::of_push)?.is_some() {
                continue;
            }
            let Some(bytes) = self.small(blob.digest).await? else {
                return Ok(false);
            };
            let put = to.target.put_blob(&blob.digest, bytes).await;
            put.map_err(TransferError::of_push)?;
        }
        let digest = listed.digest.to_string();
        let put = to
            .target
            .put_manifest(&digest, &listed.media_type, document);
        match put.await {
            Ok(_) => Ok(true),
            // A registry that takes images only.
            Err(error @ RegistryError::Refused { .. }) => {
                tracing::debug!(%error, "the registry takes no attestation");
                Ok(false)
            }
            Err(error) => Err(TransferError::of_push(error)),
        }
    }

    async fn small(&self, digest: Digest) -> Result<Option<Bytes>, TransferError> {
        let images = Arc::clone(&self.images);
        let bytes = tokio::task::spawn_blocking(move || images.manifest(&digest)).await;
        Ok(bytes.map_err(|_| TransferError::Thread)??.map(Bytes::from))
    }

    async fn remember_index(
        &self,
        reference: &ImageRef,
        index: Bytes,
        all: Vec<Variant>,
    ) -> Result<(), TransferError> {
        let (images, reference) = (Arc::clone(&self.images), reference.clone());
        let kept =
            tokio::task::spawn_blocking(move || images.keep_pushed_index(&reference, &index, &all));
        Ok(kept.await.map_err(|_| TransferError::Thread)??)
    }
}

/// Whether an entry is no image but says something of one.
fn is_extra(one: &Descriptor) -> bool {
    let platform = one.platform.as_ref();
    one.attests().is_some() || platform.is_some_and(|platform| platform.os == "unknown")
}

/// The index as it came, if it lists what was pushed, or a new one.
fn written(kept: Kept, entries: &[Descriptor]) -> (String, Bytes) {
    let pushed = |one: &Descriptor| entries.iter().any(|entry| entry.digest == one.digest);
    if kept.index.manifests.iter().all(pushed) {
        return (kept.index.media_type, kept.bytes);
    }
    let digests: Vec<_> = entries
        .iter()
        .map(|entry| entry.digest.to_string())
        .collect();
    let is_of_use = |entry: &Descriptor| {
        let of = entry.attests().map(str::to_owned);
        of.is_none_or(|of| digests.contains(&of))
    };
    let index = NewIndex {
        schema_version: 2,
        media_type: media::OCI_INDEX,
        manifests: entries
            .iter()
            .filter(|entry| is_of_use(entry))
            .cloned()
            .collect(),
    };
    let bytes = serde_json::to_vec(&index).expect("plain fields into memory");
    (media::OCI_INDEX.to_owned(), bytes.into())
}
