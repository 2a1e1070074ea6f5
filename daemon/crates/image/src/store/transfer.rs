//! Images that come from a registry and go to one.

use std::sync::PoisonError;

use gantry_ids::{Digest, ImageId, ImageRef, Platform};
use gantry_layer::{ChainId, DiffId, LayerStore, Packing, Staged};

use super::names::taggable;
use super::{BlobRecord, Change, ImageRecord, ImageStore, ManifestRecord, Variant};
use crate::{ImageConfig, ImageError};

/// How many repositories are remembered per blob.
const SOURCES_MAX: usize = 8;

/// A compressed layer as a registry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobId {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// How it is compressed; the level is nobody's to know.
    pub packing: Packing,
}

/// One layer of an image that was pulled.
#[derive(Debug)]
pub struct PulledLayer<S> {
    /// What it was in the registry.
    pub blob: BlobId,
    /// The layer, unless the store has it.
    pub staged: Option<S>,
}

/// An image that was pulled, verified and not yet kept.
#[derive(Debug)]
pub struct PulledImage<S> {
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, the lowest first.
    pub layers: Vec<PulledLayer<S>>,
    /// Its manifest's bytes.
    pub manifest: Box<[u8]>,
    /// The bytes of the index the manifest was chosen from.
    pub index: Option<Box<[u8]>>,
    /// Small documents and blobs that the index lists with the image: attestations.
    pub attached: Vec<Box<[u8]>>,
    /// The references it gets: a tag, a digest.
    pub references: Vec<ImageRef>,
    /// Where it came from: `domain/path`.
    pub source: String,
}

/// A manifest that was pushed.
#[derive(Debug, Clone, Copy)]
pub struct PushedManifest<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Where it and its blobs are: `domain/path`.
    pub repository: &'a str,
    /// The reference it was pushed by; none if it is only a part of an index.
    pub reference: Option<&'a ImageRef>,
}

/// Keeps a chain of layers from being removed while somebody counts on it; given back to
/// [`ImageStore::unpin`].
#[derive(Debug)]
pub struct Pin(u64);

impl Pin {
    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl<L: LayerStore> ImageStore<L> {
    /// Whether the layer of this chain is here, pinned if so.
    pub fn pin(&self, chain: &ChainId) -> Option<Pin> {
        let _writer = self.write_lock();
        self.layers.get(chain)?;
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        Some(pins.add(*chain))
    }

    /// Lets a pinned chain go. Its layers are removed if no image needs them any more.
    #[expect(clippy::needless_pass_by_value, reason = "a pin is given back once")]
    pub fn unpin(&self, pin: Pin) {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = pins.remove(pin.0);
        drop(pins);
        // Where others hold it nothing can go: to find out what is needed takes as long as there are images.
        if chain.is_none() {
            return;
        }
        let _writer = self.write_lock();
        if let Err(error) = self.release_layers(chain) {
            tracing::warn!(%error, "could not remove a layer that nobody needs any more");
        }
    }

    /// The diff id of a blob whose layer is here, on whatever it lies.
    #[must_use]
    pub fn layer_of_blob(&self, blob: &Digest) -> Option<DiffId> {
        let diff_id = self.index().blob(blob)?.diff_id;
        let layers = self.layers.list();
        layers
            .iter()
            .any(|layer| layer.diff_id == diff_id)
            .then_some(diff_id)
    }

    /// Keeps a pulled image: commits its layers, records it and its names at once.
    ///
    /// # Errors
    /// [`ImageError::Archive`] if a layer is not what the configuration says; then nothing of it is
    /// kept.
    pub fn keep_pulled(&self, mut pulled: PulledImage<L::Staged>) -> Result<ImageId, ImageError> {
        let _writer = self.write_lock();
        let layers = std::mem::take(&mut pulled.layers);
        let blobs: Vec<_> = layers.iter().map(|layer| layer.blob).collect();
        let (chains, changes) = self.commit_pulled(&pulled.config, layers)?;
        let kept = self.record_pulled(&pulled, &blobs, changes);
        if kept.is_err() {
            self.forget(chains);
        }
        kept
    }

    fn commit_pulled(
        &self,
        config: &ImageConfig,
        layers: Vec<PulledLayer<L::Staged>>,
    ) -> Result<(Vec<ChainId>, Vec<Change>), ImageError> {
        let diffs = &config.file().rootfs.diff_ids;
        if diffs.len() != layers.len() {
            return Err(ImageError::Archive(format!(
                "layers length mismatch: expected {}, got {}",
                diffs.len(),
                layers.len()
            )));
        }
        let (mut below, mut base) = (None, None);
        let (mut chains, mut staged, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (layer, expected)) in layers.into_iter().zip(diffs).enumerate() {
            let found = layer.staged.as_ref().map_or(*expected, Staged::diff_id);
            if found != *expected {
                return Err(ImageError::Archive(format!(
                    "invalid diffID for layer {number}: expected {expected}, got {found}"
                )));
            }
            changes.push(Change::PutBlob {
                digest: layer.blob.digest,
                record: BlobRecord::new(found, layer.blob.size_bytes, layer.blob.packing),
            });
            let chain = ChainId::on_top(below.as_ref(), expected);
            match layer.staged {
                _ if self.layers.get(&chain).is_some() => {
                    // One beneath it may have been lost.
                    self.layers
                        .commit(std::mem::take(&mut staged), base.as_ref())?;
                    base = Some(chain);
                }
                Some(layer) => staged.push(layer),
                None => self.again(expected, &mut staged, (&mut base, below))?,
            }
            below = Some(chain);
            chains.push(chain);
        }
        self.layers.commit(staged, base.as_ref())?;
        Ok((chains, changes))
    }

    fn record_pulled(
        &self,
        pulled: &PulledImage<L::Staged>,
        blobs: &[BlobId],
        mut changes: Vec<Change>,
    ) -> Result<ImageId, ImageError> {
        let id = pulled.config.id();
        for blob in blobs {
            changes.extend(self.seen_in(&blob.digest, &pulled.source));
        }
        let manifest = ManifestRecord {
            digest: Digest::of(&pulled.manifest),
            size_bytes: pulled.manifest.len() as u64,
        };
        let documents = [Some(&pulled.manifest), pulled.index.as_ref()];
        for bytes in documents.into_iter().flatten().chain(&pulled.attached) {
            changes.push(Change::PutManifest {
                digest: Digest::of(bytes),
                bytes: bytes.clone(),
            });
        }
        let known = self.index().record(&id).cloned();
        let mut record = known.unwrap_or_else(|| ImageRecord::new(None));
        record.manifest = Some(manifest);
        changes.push(Change::PutImage {
            id,
            config: pulled.config.raw().into(),
            record,
        });
        let platform = pulled.config.platform();
        for reference in &pulled.references {
            let reference = match reference.digest() {
                Some(digest) => reference.with_digest(*digest),
                None => taggable(reference)?,
            };
            match &pulled.index {
                Some(index) => {
                    let manifest = Digest::of(&pulled.manifest);
                    let new = Variant {
                        manifest,
                        image: id,
                    };
                    let is_ours = Platform::of_this_machine().fit(&platform).is_some();
                    let index = Digest::of(index);
                    changes.extend(self.add_variant(&reference, index, (new, is_ours)));
                }
                None => changes.push(Change::SetReference {
                    reference,
                    image: id,
                }),
            }
        }
        self.change(changes)?;
        Ok(id)
    }

    /// The bytes of a manifest or index that is kept.
    ///
    /// # Errors
    /// [`ImageError::Metadata`].
    pub fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ImageError> {
        self.metadata.manifest(digest)
    }

    /// The blobs that are known to hold a layer.
    #[must_use]
    pub fn blobs_of(&self, diff_id: &DiffId) -> Vec<BlobId> {
        self.index().blobs_of(diff_id)
    }

    /// The repositories (`domain/path`) that a blob was seen in, the last one first.
    #[must_use]
    pub fn sources_of(&self, blob: &Digest) -> Vec<String> {
        self.index().sources_of(blob).to_vec()
    }

    /// Remembers what a push made of an image: blobs with the layers they hold, where they are now,
    /// the manifest, and the reference by digest.
    ///
    /// # Errors
    /// [`ImageError::Metadata`].
    pub fn keep_pushed(
        &self,
        image: &ImageId,
        blobs: &[(BlobId, DiffId)],
        pushed: PushedManifest<'_>,
    ) -> Result<(), ImageError> {
        let _writer = self.write_lock();
        let mut changes = Vec::new();
        for (blob, diff_id) in blobs {
            changes.push(Change::PutBlob {
                digest: blob.digest,
                record: BlobRecord::new(*diff_id, blob.size_bytes, blob.packing),
            });
            changes.extend(self.seen_in(&blob.digest, pushed.repository));
        }
        let digest = Digest::of(pushed.bytes);
        changes.push(Change::PutManifest {
            digest,
            bytes: pushed.bytes.into(),
        });
        // The image may be gone by now: then only the blobs are worth remembering.
        let record = self.index().record(image).cloned();
        if let Some(mut record) = record {
            record.manifest = Some(ManifestRecord {
                digest,
                size_bytes: pushed.bytes.len() as u64,
            });
            changes.push(Change::SetRecord { id: *image, record });
            changes.extend(pushed.reference.map(|reference| Change::SetReference {
                reference: reference.with_digest(digest),
                image: *image,
            }));
        }
        self.change(changes)
    }

    /// The change that puts a repository first among those a blob was seen in; none if it is.
    fn seen_in(&self, blob: &Digest, repository: &str) -> Option<Change> {
        let index = self.index();
        let known = index.sources_of(blob);
        if known.first().is_some_and(|first| first == repository) {
            return None;
        }
        let others = known.iter().filter(|other| *other != repository);
        let all = std::iter::once(repository.to_owned()).chain(others.cloned());
        Some(Change::PutSources {
            digest: *blob,
            repositories: all.take(SOURCES_MAX).collect(),
        })
    }
}
