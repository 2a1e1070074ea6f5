//! `save`: images as one tar that is a docker-archive and an OCI layout at once, as docker writes it
//! since version 25. The same images give the same bytes.
//!
//! Layers are written from the store as they are asked for; nothing is kept in memory but small
//! documents.

mod attached;
mod documents;
mod packed;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use gantry_ids::{Digest, ImageId, ImageQuery, ImageRef, Platform};
use gantry_layer::{ChainId, LayerStore, Packing};
use tar::{Builder, EntryType, Header};

use documents::{Plan, Written};
use packed::PackedLayers;

use crate::store::{ImageStore, Pin};
use crate::{Image, ImageError};

/// An image to save, with the names it is saved under.
#[derive(Debug, Clone)]
pub struct SavedImage {
    /// The image.
    pub image: Arc<Image>,
    /// Its names; none if it was asked for by its identifier.
    pub names: Vec<ImageRef>,
    /// The images of other platforms under the same names.
    pub others: Vec<Arc<Image>>,
}

/// An image, and the name it was asked for by.
type Meant = (Arc<Image>, Option<ImageRef>);

/// A blob of the archive.
enum Blob {
    Document(Vec<u8>),
    Layer { chain: ChainId, tar_bytes: u64 },
}

impl<L: LayerStore> ImageStore<L> {
    /// Which images `names` mean: references, repositories (all their tags), identifiers; all their
    /// platforms, or the one that is asked for.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Reference`], [`ImageError::Ambiguous`],
    /// [`ImageError::NoExport`].
    pub fn to_save(
        &self,
        names: &[String],
        platform: Option<&Platform>,
    ) -> Result<Vec<SavedImage>, ImageError> {
        let mut found: Vec<SavedImage> = Vec::new();
        for text in names {
            for (image, name) in self.meant(text)? {
                let asked = name
                    .as_ref()
                    .map_or_else(|| text.clone(), ToString::to_string);
                let (image, others) = match platform {
                    Some(_) => (self.exported(&asked, platform)?, Vec::new()),
                    None => (Arc::clone(&image), self.others(&asked, &image)),
                };
                let known = found.iter_mut().find(|known| known.image.id == image.id);
                let saved = match known {
                    Some(known) => known,
                    None => {
                        found.push(SavedImage {
                            image,
                            names: Vec::new(),
                            others,
                        });
                        found.last_mut().expect("pushed above")
                    }
                };
                saved.names.extend(name);
                saved.names.sort();
                saved.names.dedup();
            }
        }
        Ok(found)
    }

    fn exported(&self, name: &str, platform: Option<&Platform>) -> Result<Arc<Image>, ImageError> {
        self.find_for(name, platform).map_err(|error| match error {
            ImageError::WrongPlatform(mismatch) => ImageError::NoExport(mismatch.wanted),
            other => other,
        })
    }

    /// The images of other platforms that a name stands for.
    fn others(&self, name: &str, image: &Image) -> Vec<Arc<Image>> {
        let all = self.variants_of(name).map(|(_, all)| all.images);
        let others = all.unwrap_or_default().into_iter();
        others
            .filter(|one| one.image != image.id)
            .filter_map(|one| self.get(&one.image))
            .collect()
    }

    fn meant(&self, text: &str) -> Result<Vec<Meant>, ImageError> {
        if let Ok(ImageQuery::Named(name)) = text.parse()
            && name.digest().is_none()
        {
            if name.tag().is_some() {
                return Ok(vec![(self.find(text)?, Some(name))]);
            }
            let mut tags = Vec::new();
            for image in self.list() {
                let of_it = image.tags.iter().filter(|tag| tag.same_repository(&name));
                tags.extend(of_it.map(|tag| (Arc::clone(&image), Some(tag.clone()))));
            }
            if !tags.is_empty() {
                return Ok(tags);
            }
        }
        let found = self.find(text).map_err(|error| match error {
            // As it was asked for, as dockerd says it here.
            ImageError::NoSuchImage(_) => ImageError::NoSuchImage(text.to_owned()),
            other => other,
        });
        Ok(vec![(found?, None)])
    }

    /// Writes the archive, with layers as plain tars. The images' layers stay while it is written.
    ///
    /// # Errors
    /// [`ImageError::Layer`], also if `to` takes no more.
    pub fn save(&self, images: &[SavedImage], to: &mut dyn Write) -> Result<(), ImageError> {
        self.save_packed(images, Packing::None, to)
    }

    /// The same with compressed layers.
    ///
    /// # Errors
    /// As [`Self::save`]; [`ImageError::Io`] if a layer cannot be compressed.
    pub fn save_packed(
        &self,
        images: &[SavedImage],
        packing: Packing,
        to: &mut dyn Write,
    ) -> Result<(), ImageError> {
        let chains = images
            .iter()
            .flat_map(SavedImage::platforms)
            .filter_map(|image| image.config.chain());
        let pins: Vec<Pin> = chains.filter_map(|chain| self.pin(&chain)).collect();
        let written = self.write_archive(images, packing, to);
        pins.into_iter().for_each(|pin| self.unpin(pin));
        written
    }

    fn write_archive(
        &self,
        images: &[SavedImage],
        packing: Packing,
        to: &mut dyn Write,
    ) -> Result<(), ImageError> {
        let failed = |error: io::Error| ImageError::Layer(gantry_layer::LayerError::Write(error));
        let mut tar = Builder::new(to);
        for path in ["blobs/", "blobs/sha256/"] {
            add(&mut tar, path, EntryType::Directory, &[]).map_err(failed)?;
        }
        let packed = match packing {
            Packing::None => PackedLayers::new(),
            Packing::Gzip(_) | Packing::Zstd(_) => self.pack_layers(images, packing, &mut tar)?,
        };
        let written = Written {
            packing,
            packed: &packed,
            find: &|chain| self.layers().get(chain),
        };
        let mut plans = Vec::new();
        for saved in images {
            plans.push(Plan::new(saved, self.attestations(saved)?, &written)?);
        }
        let mut blobs: BTreeMap<Digest, Blob> = BTreeMap::new();
        for plan in &plans {
            blobs.extend(blobs_of(plan));
        }
        for (digest, blob) in &blobs {
            let path = format!("blobs/sha256/{}", digest.hex());
            match blob {
                Blob::Document(bytes) => {
                    add(&mut tar, &path, EntryType::Regular, bytes).map_err(failed)?;
                }
                // In the archive already.
                Blob::Layer { chain, .. } if packed.contains_key(chain) => {}
                Blob::Layer { chain, tar_bytes } => {
                    self.add_layer(&mut tar, &path, chain, *tar_bytes)?;
                }
            }
        }
        for (path, bytes) in documents::of_all(&plans) {
            add(&mut tar, path, EntryType::Regular, &bytes).map_err(failed)?;
        }
        tar.finish().map_err(failed)
    }

    /// Writes all layers compressed, each once, before what names them.
    fn pack_layers(
        &self,
        images: &[SavedImage],
        packing: Packing,
        tar: &mut Builder<&mut dyn Write>,
    ) -> Result<PackedLayers, ImageError> {
        let failed = |error: io::Error| ImageError::Layer(gantry_layer::LayerError::Write(error));
        let mut done = PackedLayers::new();
        // The same tar on top of something else is the same blob.
        let mut written = BTreeMap::new();
        for image in images.iter().flat_map(SavedImage::platforms) {
            let mut below = None;
            for diff in &image.config.file().rootfs.diff_ids {
                let chain = ChainId::on_top(below.as_ref(), diff);
                below = Some(chain);
                if let Some(same) = written.get(diff) {
                    done.insert(chain, *same);
                    continue;
                }
                let write = |to: &mut dyn Write| self.layers().write_tar(&chain, to);
                let mut packed = packed::pack(self.partials(), packing, write)?;
                let path = format!("blobs/sha256/{}", packed.layer.digest.hex());
                let header = header(&path, EntryType::Regular, packed.layer.size_bytes);
                let header = header.map_err(failed)?;
                tar.append(&header, &mut packed.file).map_err(failed)?;
                written.insert(*diff, packed.layer);
                done.insert(chain, packed.layer);
            }
        }
        Ok(done)
    }

    fn add_layer(
        &self,
        tar: &mut Builder<&mut dyn Write>,
        path: &str,
        chain: &ChainId,
        tar_bytes: u64,
    ) -> Result<(), ImageError> {
        let failed = |error: io::Error| ImageError::Layer(gantry_layer::LayerError::Write(error));
        let header = header(path, EntryType::Regular, tar_bytes).map_err(failed)?;
        let to = tar.get_mut();
        to.write_all(header.as_bytes()).map_err(failed)?;
        self.layers().write_tar(chain, to)?;
        let padding = usize::try_from(tar_bytes.next_multiple_of(512) - tar_bytes).unwrap_or(0);
        to.write_all(&[0; 512][..padding]).map_err(failed)
    }
}

/// The blobs that an image has in an archive.
fn blobs_of(plan: &Plan<'_>) -> Vec<(Digest, Blob)> {
    let mut blobs = Vec::new();
    for part in &plan.parts {
        for layer in &part.layers {
            let (chain, tar_bytes) = (layer.chain, layer.blob.size_bytes);
            blobs.push((layer.blob.digest, Blob::Layer { chain, tar_bytes }));
        }
        let config = part.image.config.raw().to_vec();
        blobs.push((*part.image.id.digest(), Blob::Document(config)));
        blobs.push((part.manifest_digest, Blob::Document(part.manifest.clone())));
        for (digest, bytes) in part.attached.iter().flat_map(|one| &one.documents) {
            blobs.push((*digest, Blob::Document(bytes.clone())));
        }
    }
    let index = plan.index.iter();
    blobs.extend(index.map(|index| (Digest::of(index), Blob::Document(index.clone()))));
    blobs
}

fn add(
    tar: &mut Builder<&mut dyn Write>,
    path: &str,
    kind: EntryType,
    bytes: &[u8],
) -> io::Result<()> {
    let header = header(path, kind, bytes.len() as u64)?;
    tar.append(&header, bytes)
}

/// Owner, mode and time are the same in every archive.
fn header(path: &str, kind: EntryType, size: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory {
        0o755
    } else {
        0o644
    });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}

/// The images, for events.
impl SavedImage {
    /// The image and those of other platforms.
    fn platforms(&self) -> impl Iterator<Item = &Arc<Image>> {
        std::iter::once(&self.image).chain(&self.others)
    }

    /// Its identifier.
    #[must_use]
    pub fn id(&self) -> ImageId {
        self.image.id
    }
}
