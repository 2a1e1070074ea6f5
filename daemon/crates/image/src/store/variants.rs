//! References that stand for an index: one name, an image for each of several platforms.
//!
//! A reference always means one image: this machine's, where the index has one. The others hang on
//! the same name: they stay while it does, and `--platform` chooses between them.

use std::sync::Arc;

use gantry_ids::{Digest, ImageId, ImageQuery, ImageRef, Platform};
use gantry_layer::LayerStore;
use serde::{Deserialize, Serialize};

use super::names::taggable;
use super::{Change, ImageStore, Index};
use crate::error::PlatformMismatch;
use crate::{Image, ImageError};

/// The images that are here of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variants {
    /// The index.
    pub index: Digest,
    /// The images, in the order in which they came.
    pub images: Vec<Variant>,
}

/// One image of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its manifest.
    pub manifest: Digest,
    /// The image.
    pub image: ImageId,
}

impl Variants {
    /// Whether an image is among them.
    #[must_use]
    pub fn has(&self, image: &ImageId) -> bool {
        self.images.iter().any(|known| known.image == *image)
    }

    /// Adds an image, or gives it another manifest.
    pub(crate) fn add(&mut self, new: Variant) {
        match self.images.iter_mut().find(|old| old.image == new.image) {
            Some(old) => *old = new,
            None => self.images.push(new),
        }
    }
}

impl<L: LayerStore> ImageStore<L> {
    /// The images that a reference stands for; none if it stands for one without an index.
    #[must_use]
    pub fn variants(&self, reference: &ImageRef) -> Option<Variants> {
        self.index().variants(reference).cloned()
    }

    /// What a text stands for, if it names an index: its reference and its images.
    #[must_use]
    pub fn variants_of(&self, text: &str) -> Option<(ImageRef, Variants)> {
        let reference = name_of(text)?;
        // An identifier's beginning may look like a name: a name that is known wins, as in `find`.
        let variants = self.variants(&reference)?;
        Some((reference, variants))
    }

    /// The image that a person means by `text` for a platform.
    ///
    /// # Errors
    /// As [`ImageStore::find`]; [`ImageError::WrongPlatform`] if it is there for others only.
    pub fn find_for(
        &self,
        text: &str,
        platform: Option<&Platform>,
    ) -> Result<Arc<Image>, ImageError> {
        let image = self.find(text)?;
        let Some(wanted) = platform else {
            return Ok(image);
        };
        let others = self.variants_of(text).map(|(_, variants)| variants.images);
        let others = others.unwrap_or_default().into_iter();
        let others = others.filter_map(|variant| self.get(&variant.image));
        // The first of the best.
        let best = std::iter::once(Arc::clone(&image))
            .chain(others)
            .filter_map(|image| Some((wanted.fit(&image.platform())?, image)))
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, image)| image).ok_or_else(|| {
            ImageError::WrongPlatform(Box::new(PlatformMismatch {
                reference: text.to_owned(),
                has: image.platform(),
                wanted: wanted.clone(),
            }))
        })
    }

    /// Lets `target` mean whatever `text` does, all its platforms included. Answers the image.
    ///
    /// # Errors
    /// As [`ImageStore::find`] and [`ImageStore::tag`].
    pub fn tag_like(&self, text: &str, target: &ImageRef) -> Result<Arc<Image>, ImageError> {
        let _writer = self.write_lock();
        let image = self.find(text)?;
        let (mut changes, _) = self.tag_changes(&image.id, target)?;
        if let Some((_, variants)) = self.variants_of(text) {
            let reference = taggable(target)?;
            changes.push(Change::SetVariants {
                reference,
                variants,
            });
        }
        self.change(changes)?;
        Ok(image)
    }

    /// The changes after which `reference` stands for an index, `new` among its images. What is
    /// known of another index by this name is forgotten.
    pub(super) fn add_variant(
        &self,
        reference: &ImageRef,
        index: Digest,
        (new, is_preferred): (Variant, bool),
    ) -> Vec<Change> {
        let known = self.variants(reference).filter(|old| old.index == index);
        let primary = match self.index().referenced(reference) {
            Some(old) if !is_preferred && known.as_ref().is_some_and(|all| all.has(&old)) => old,
            _ => new.image,
        };
        let images = Vec::new();
        let mut variants = known.unwrap_or(Variants { index, images });
        variants.add(new);
        vec![
            Change::SetReference {
                reference: reference.clone(),
                image: primary,
            },
            Change::SetVariants {
                reference: reference.clone(),
                variants,
            },
        ]
    }

    /// The changes that take a name from one image: the others of an index keep it.
    pub(crate) fn untag_changes(&self, image: &ImageId, name: &ImageRef) -> Vec<Change> {
        let index = self.index();
        let Some(mut variants) = index.variants(name).cloned() else {
            let reference = name.clone();
            return vec![Change::DeleteReference { reference }];
        };
        variants.images.retain(|known| known.image != *image);
        let Some(first) = best(&index, &variants) else {
            let reference = name.clone();
            return vec![Change::DeleteReference { reference }];
        };
        let primary = index.referenced(name).filter(|old| old != image);
        vec![
            Change::SetReference {
                reference: name.clone(),
                image: primary.unwrap_or(first),
            },
            Change::SetVariants {
                reference: name.clone(),
                variants,
            },
        ]
    }

    /// Records that a push made an index of a reference's images.
    ///
    /// # Errors
    /// [`ImageError::Metadata`].
    pub fn keep_pushed_index(
        &self,
        reference: &ImageRef,
        index: &[u8],
        images: &[Variant],
    ) -> Result<(), ImageError> {
        let _writer = self.write_lock();
        let digest = Digest::of(index);
        let primary = self.index().referenced(reference);
        let Some(image) = primary.filter(|id| images.iter().any(|one| one.image == *id)) else {
            return Ok(());
        };
        let mut changes = vec![Change::PutManifest {
            digest,
            bytes: index.into(),
        }];
        for reference in [reference.clone(), reference.with_digest(digest)] {
            changes.push(Change::SetReference {
                reference: reference.clone(),
                image,
            });
            changes.push(Change::SetVariants {
                reference,
                variants: Variants {
                    index: digest,
                    images: images.to_vec(),
                },
            });
        }
        self.change(changes)
    }
}

/// The image of an index that this machine would run, else the first.
fn best(index: &Index, variants: &Variants) -> Option<ImageId> {
    let ours = Platform::of_this_machine();
    let images = variants.images.iter();
    let fitting = images.filter_map(|variant| {
        let image = index.get(&variant.image)?;
        Some((ours.fit(&image.platform())?, variant.image))
    });
    let best = fitting.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, id)| id)
        .or_else(|| variants.images.first().map(|first| first.image))
}

/// The reference that a text is; none if it is an identifier.
fn name_of(text: &str) -> Option<ImageRef> {
    match text.parse().ok()? {
        ImageQuery::Named(name) => Some(match name.digest() {
            Some(digest) => name.with_digest(*digest),
            None => name.with_default_tag(),
        }),
        ImageQuery::Id(_) => None,
    }
}
