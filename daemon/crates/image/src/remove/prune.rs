//! `prune`: images that nobody would miss.

use std::collections::HashMap;
use std::sync::Arc;

use gantry_layer::LayerStore;

use super::{PruneFilter, PruneReport, Removal, Removed};
use crate::store::{ImageStore, UsedBy};
use crate::{Image, ImageError};

impl<L: LayerStore> ImageStore<L> {
    /// Removes images that nothing names (or, with `all`, that no container uses).
    ///
    /// # Errors
    /// [`ImageError::Metadata`], [`ImageError::Layer`].
    pub fn prune(
        &self,
        filter: &PruneFilter,
        used_by: UsedBy<'_>,
    ) -> Result<PruneReport, ImageError> {
        let _writer = self.write_lock();
        let sizes: HashMap<_, _> = self
            .layers()
            .list()
            .iter()
            .map(|layer| (layer.chain, layer.content_bytes))
            .collect();
        let mut removal = Removal {
            store: self,
            used_by,
            keep_parents: false,
            removed: Vec::new(),
        };
        for image in self.list() {
            if !filter.wants(&image) || !used_by(&image.id).is_empty() {
                continue;
            }
            // A parent may be gone with a child that came before it.
            let Some(image) = self.get(&image.id) else {
                continue;
            };
            if self.index().has_children(&image.id) {
                continue;
            }
            removal.untag_all(&image)?;
            match removal.delete(&Arc::new(unnamed(&image)), false, true) {
                Err(ImageError::Conflict(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        let removed = removal.removed;
        self.tidy()?;
        let layer_bytes = |removed: &Removed| match removed {
            Removed::Layer(chain) => sizes.get(chain).copied().unwrap_or(0),
            Removed::Image(_) | Removed::Untagged { .. } => 0,
        };
        let reclaimed_bytes = removed.iter().map(layer_bytes).sum();
        Ok(PruneReport {
            removed,
            reclaimed_bytes,
        })
    }
}

/// The image after all its names were taken away.
fn unnamed(image: &Image) -> Image {
    Image {
        tags: Vec::new(),
        digests: Vec::new(),
        ..image.clone()
    }
}

impl PruneFilter {
    fn wants(&self, image: &Image) -> bool {
        let labels = &image.config.run().labels;
        let has = |(name, value): &(String, Option<String>)| {
            labels
                .get(name)
                .is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        let old_enough = self
            .until_s
            .is_none_or(|until| image.created_ns() / 1_000_000_000 < until);
        (self.all || image.is_dangling())
            && (self.among.is_empty() || self.among.contains(&image.id))
            && old_enough
            && self.labels.iter().all(has)
            && !self.not_labels.iter().any(has)
    }
}
