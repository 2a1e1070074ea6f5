//! Builds: layers that steps make, and images made of them.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use gantry_ids::{ImageId, ImageRef};
use gantry_layer::{ChainId, Layer, LayerStore, write_diff_until};

use super::names::{now_ns, taggable};
use super::{Change, ImageRecord, ImageStore, Pin};
use crate::{ImageConfig, ImageError, Stop};

impl<L: LayerStore> ImageStore<L> {
    /// Makes a layer of what was written into `upper` over a chain that the caller has pinned; later
    /// times of modification become `epoch_s`. The layer is pinned.
    ///
    /// # Errors
    /// [`ImageError::Layer`], [`ImageError::Io`]; nothing is kept then.
    pub fn commit_layer(
        &self,
        upper: &Path,
        parent: Option<&ChainId>,
        epoch_s: u64,
    ) -> Result<(Arc<Layer>, Pin), ImageError> {
        let write = |to: &mut dyn Write| write_diff_until(upper, epoch_s, to);
        let (staged, _) = self.stage_changes(upper, write, &Stop::default())?;
        let _writer = self.write_lock();
        let mut layers = self.layers.commit(vec![staged], parent)?;
        let layer = layers.pop().expect("one layer was committed");
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let pin = pins.add(layer.chain);
        Ok((layer, pin))
    }

    /// Keeps an image whose layers are here and pinned by the caller, with its names. Answers its
    /// identity. It has no parent: what it was built on, its history says.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`] without its layers, [`ImageError::TagWithDigest`],
    /// [`ImageError::TagNamedAsDigest`], [`ImageError::Metadata`].
    pub fn keep_built(
        &self,
        config: &ImageConfig,
        names: &[ImageRef],
    ) -> Result<ImageId, ImageError> {
        let names = names.iter().map(taggable).collect::<Result<Vec<_>, _>>()?;
        let id = config.id();
        let _writer = self.write_lock();
        if let Some(chain) = config.chain()
            && self.layers.get(&chain).is_none()
        {
            return Err(ImageError::NoSuchImage(id.to_string()));
        }
        let known = self.index().record(&id).cloned();
        if known.is_some() && names.is_empty() {
            // The same steps, all cached, gave it before: there is nothing to write.
            return Ok(id);
        }
        let mut record = known.unwrap_or_else(|| ImageRecord::new(None));
        if !names.is_empty() {
            record.last_tagged_ns = Some(now_ns());
        }
        let mut changes = vec![Change::PutImage {
            id,
            config: config.raw().into(),
            record,
        }];
        changes.extend(names.into_iter().map(|reference| Change::SetReference {
            reference,
            image: id,
        }));
        self.change(changes)?;
        Ok(id)
    }
}
