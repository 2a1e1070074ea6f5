//! Bringing images in: `load` and `import`.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use gantry_ids::{Digest, ImageId, ImageRef, Platform};
use gantry_layer::{ChainId, DiffId, LayerError, LayerStore, Staged};

use super::names::{now_ns, taggable};
use super::{BlobRecord, Change, ImageRecord, ImageStore, Variant, Variants};
use crate::import::{ImportRequest, configuration};
use crate::load::{Archive, Blob, Found, KnownBlob, LayerSink, images, read};
use crate::{ImageError, LoadEvent, Loaded};

impl<L: LayerStore> LayerSink for ImageStore<L> {
    type Staged = L::Staged;

    fn stage(&self, source: &mut (dyn Read + Send)) -> Result<(L::Staged, DiffId), ImageError> {
        let staged = self.layers.stage(source)?;
        let diff_id = staged.diff_id();
        Ok((staged, diff_id))
    }

    fn known(&self, blob: &Digest) -> Option<KnownBlob> {
        let diff_id = match self.index().blob(blob) {
            Some(record) => record.diff_id,
            None => DiffId::new(*blob),
        };
        let known = self
            .layers
            .list()
            .iter()
            .any(|layer| layer.diff_id == diff_id);
        known.then_some(KnownBlob { diff_id })
    }
}

impl<L: LayerStore> ImageStore<L> {
    /// Loads every image of an archive (docker-archive or OCI layout; plain, gzip or zstd).
    ///
    /// # Errors
    /// Whatever is wrong with the archive; then nothing of it is kept.
    pub fn load(
        &self,
        archive: &mut (dyn Read + Send),
        progress: &mut (dyn FnMut(LoadEvent) + Send),
    ) -> Result<Vec<Loaded>, ImageError> {
        self.load_for(archive, None, progress)
    }

    /// The same with the images for one platform only.
    ///
    /// # Errors
    /// As [`Self::load`]; [`ImageError::NotInArchive`].
    pub fn load_for(
        &self,
        archive: &mut (dyn Read + Send),
        platform: Option<&Platform>,
        progress: &mut (dyn FnMut(LoadEvent) + Send),
    ) -> Result<Vec<Loaded>, ImageError> {
        let mut archive = read(archive, self, progress)?;
        let found = images(&archive, platform)?;
        let _writer = self.write_lock();
        let mut chains = Vec::new();
        let result = self.keep(&mut archive, &found, &mut chains, progress);
        if result.is_err() {
            self.forget(chains);
        }
        result
    }

    /// Makes an image of one layer from the tar of a root filesystem (plain, gzip or zstd).
    ///
    /// # Errors
    /// Whatever is wrong with the tar or the request; then nothing is kept.
    pub fn import(
        &self,
        rootfs: &mut (dyn Read + Send),
        request: &ImportRequest,
    ) -> Result<ImageId, ImageError> {
        // What is wrong with the request is found before the tar is read.
        let reference = request.reference.as_ref().map(taggable).transpose()?;
        let mut config = configuration(request)?;
        let staged = self.layers.stage(rootfs)?;
        config.rootfs.diff_ids = vec![staged.diff_id()];
        let config = crate::ImageConfig::from_file(config);
        let _writer = self.write_lock();
        let chains = self.layers.commit(vec![staged], None)?;
        let mut record = ImageRecord::new(None);
        let id = config.id();
        let mut changes = Vec::new();
        if let Some(reference) = reference {
            record.last_tagged_ns = Some(now_ns());
            changes.push(Change::SetReference {
                reference,
                image: id,
            });
        }
        changes.insert(
            0,
            Change::PutImage {
                id,
                config: config.raw().into(),
                record,
            },
        );
        let result = self.change(changes);
        if result.is_err() {
            self.forget(chains.iter().map(|layer| layer.chain).collect());
        }
        result.map(|()| id)
    }

    /// Commits the layers of all images and records the images at once. `chains` gets what was
    /// committed, for whoever must take it back.
    fn keep(
        &self,
        archive: &mut Archive<L::Staged>,
        found: &[Found],
        chains: &mut Vec<ChainId>,
        progress: &mut (dyn FnMut(LoadEvent) + Send),
    ) -> Result<Vec<Loaded>, ImageError> {
        let mut changes = Vec::new();
        let mut loaded = Vec::new();
        let mut renamed = Vec::new();
        let mut groups = BTreeMap::new();
        for image in found {
            let mut blobs = HashMap::new();
            let layers = self.commit_layers(archive, image, &mut blobs)?;
            chains.extend(layers);
            let id = image.config.id();
            changes.extend(
                blobs
                    .into_iter()
                    .map(|(digest, record)| Change::PutBlob { digest, record }),
            );
            changes.extend(self.image_changes(image));
            for name in &image.names {
                let reference = taggable(name)?;
                if let Some(old) = self.index().referenced(&reference).filter(|old| *old != id) {
                    renamed.push(LoadEvent::Renamed {
                        reference: reference.clone(),
                        old,
                    });
                }
                if self.joins(&mut groups, &reference, image) {
                    continue;
                }
                changes.push(Change::SetReference {
                    reference: reference.clone(),
                    image: id,
                });
                loaded.push(Loaded {
                    id,
                    reference: Some(reference),
                });
            }
            if image.names.is_empty() {
                loaded.push(Loaded {
                    id,
                    reference: None,
                });
            }
        }
        let groups = groups.into_iter();
        changes.extend(groups.map(|(reference, variants)| Change::SetVariants {
            reference,
            variants,
        }));
        self.change(changes)?;
        renamed.into_iter().for_each(progress);
        Ok(loaded)
    }

    /// Notes what an image's name stands for. Whether another platform's image has given the name its
    /// meaning already.
    fn joins(
        &self,
        groups: &mut BTreeMap<ImageRef, Variants>,
        reference: &ImageRef,
        image: &Found,
    ) -> bool {
        let (Some(index), Some((manifest, _))) = (&image.index, &image.manifest) else {
            groups.remove(reference);
            return false;
        };
        let index = Digest::of(index);
        let new = Variant {
            manifest: manifest.digest,
            image: image.config.id(),
        };
        if let Some(known) = groups
            .get_mut(reference)
            .filter(|known| known.index == index)
        {
            known.add(new);
            return true;
        }
        let before = self.variants(reference).filter(|old| old.index == index);
        let images = Vec::new();
        let mut variants = before.unwrap_or(Variants { index, images });
        variants.add(new);
        groups.insert(reference.clone(), variants);
        false
    }

    /// The records of one image. What was known of it before is kept.
    fn image_changes(&self, image: &Found) -> Vec<Change> {
        let id = image.config.id();
        let mut changes = Vec::new();
        let mut record = self
            .index()
            .record(&id)
            .cloned()
            .unwrap_or_else(|| ImageRecord::new(None));
        if let Some((manifest, bytes)) = &image.manifest {
            let digest = manifest.digest;
            changes.push(Change::PutManifest {
                digest,
                bytes: bytes.clone(),
            });
            record.manifest = Some(manifest.clone());
        }
        for bytes in image.index.as_deref().into_iter().chain(image.attached()) {
            changes.push(Change::PutManifest {
                digest: Digest::of(bytes),
                bytes: bytes.into(),
            });
        }
        if !image.names.is_empty() {
            record.last_tagged_ns = Some(now_ns());
        }
        changes.push(Change::PutImage {
            id,
            config: image.config.raw().into(),
            record,
        });
        changes
    }

    /// Compares an image's layers with its configuration and commits those the store has not.
    fn commit_layers(
        &self,
        archive: &mut Archive<L::Staged>,
        image: &Found,
        blobs: &mut HashMap<Digest, BlobRecord>,
    ) -> Result<Vec<ChainId>, ImageError> {
        let mut below = None;
        let mut chains = Vec::new();
        let mut staged = Vec::new();
        let mut base = None;
        let diffs = &image.config.file().rootfs.diff_ids;
        for (number, (path, expected)) in image.layers.iter().zip(diffs).enumerate() {
            let chain = ChainId::on_top(below.as_ref(), expected);
            let known = self.layers.get(&chain).is_some();
            let blob = archive.file(path)?;
            let layer = self.take(path, blob, blobs, known)?;
            if layer.diff_id() != *expected {
                let found = layer.diff_id();
                return Err(ImageError::Archive(format!(
                    "invalid diffID for layer {number}: expected {expected}, got {found}"
                )));
            }
            match layer {
                _ if known => {
                    // One beneath it may have been lost.
                    self.layers
                        .commit(std::mem::take(&mut staged), base.as_ref())?;
                    base = Some(chain);
                }
                Taken::Staged(layer) => staged.push(layer),
                Taken::InStore(diff) => self.again(&diff, &mut staged, (&mut base, below))?,
            }
            below = Some(chain);
            chains.push(chain);
        }
        self.layers.commit(staged, base.as_ref())?;
        Ok(chains)
    }

    /// Takes a layer from the archive. One that was taken before, for another image, is in the store.
    fn take(
        &self,
        path: &str,
        blob: &mut Blob<L::Staged>,
        blobs: &mut HashMap<Digest, BlobRecord>,
        is_known: bool,
    ) -> Result<Taken<L::Staged>, ImageError> {
        let diff = match &*blob {
            Blob::Layer { diff_id, .. } | Blob::Known { diff_id } => *diff_id,
            // Too small to be told from other files.
            Blob::Small(bytes) => {
                let (staged, _) = self.stage(&mut &**bytes)?;
                return Ok(Taken::Staged(staged));
            }
            Blob::Large => {
                return Err(ImageError::Archive(format!("{path:?} is not a layer")));
            }
        };
        if let Blob::Layer {
            compressed: Some((digest, size, packing)),
            ..
        } = &*blob
        {
            blobs.insert(*digest, BlobRecord::new(diff, *size, *packing));
        }
        if is_known {
            return Ok(Taken::InStore(diff));
        }
        match std::mem::replace(blob, Blob::Known { diff_id: diff }) {
            Blob::Layer { staged, .. } => Ok(Taken::Staged(staged)),
            _ => Ok(Taken::InStore(diff)),
        }
    }

    /// Stages a layer that the store has on top of something else. An image may have it twice: then the
    /// lower one, and what lies beneath it, is committed first, on `base`, which becomes `below`.
    pub(super) fn again(
        &self,
        diff: &DiffId,
        staged: &mut Vec<L::Staged>,
        (base, below): (&mut Option<ChainId>, Option<ChainId>),
    ) -> Result<(), ImageError> {
        if staged.iter().any(|layer| layer.diff_id() == *diff) {
            self.layers.commit(std::mem::take(staged), base.as_ref())?;
            *base = below;
        }
        staged.push(self.copy_of(diff)?);
        Ok(())
    }

    /// A staged copy of a layer that the store has on top of something else.
    fn copy_of(&self, diff: &DiffId) -> Result<L::Staged, ImageError> {
        let layers = self.layers.list();
        let layer = layers.iter().find(|layer| layer.diff_id == *diff);
        let layer = layer.ok_or_else(|| ImageError::Archive(format!("layer {diff} is missing")))?;
        let pipe = std::io::pipe().map_err(LayerError::Write)?;
        let (mut reader, mut writer) = pipe;
        let (written, staged) = std::thread::scope(|scope| {
            let writing = scope.spawn(move || self.layers.write_tar(&layer.chain, &mut writer));
            let staged = self.layers.stage(&mut reader);
            drop(reader);
            (
                writing.join().expect("writing a tar does not panic"),
                staged,
            )
        });
        written?;
        Ok(staged?)
    }

    /// Takes committed layers back that no image needs.
    pub(super) fn forget(&self, chains: Vec<ChainId>) {
        for chain in chains.into_iter().rev() {
            if let Err(error) = self.release_layers(Some(chain)) {
                tracing::warn!(layer = %chain, %error, "could not remove a layer of a failed load");
            }
        }
    }
}

/// A layer of an archive.
enum Taken<S> {
    Staged(S),
    InStore(DiffId),
}

impl<S: Staged> Taken<S> {
    fn diff_id(&self) -> DiffId {
        match self {
            Self::Staged(staged) => staged.diff_id(),
            Self::InStore(diff) => *diff,
        }
    }
}
