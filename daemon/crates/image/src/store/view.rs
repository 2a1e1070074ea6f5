//! Looking into images without a container, and filling volumes from them.

use std::fs::File;
use std::path::Path;

use gantry_ids::ImageId;
use gantry_layer::{LayerStore, Lowers, Tree};

use super::ImageStore;
use crate::error::failed;
use crate::{Image, ImageError};

impl<L: LayerStore> ImageStore<L> {
    /// Opens a file of an image (for reading, links followed beneath its root) as a container that
    /// has written nothing would see it; none if there is no such file.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Layer`], [`ImageError::Io`].
    pub fn open_in_image(&self, image: &ImageId, path: &Path) -> Result<Option<File>, ImageError> {
        self.tree(image)?
            .open_file(path)
            .map_err(failed("open in the image", path))
    }

    /// Copies what an image has at `path` into the empty directory `target` of a new volume, with
    /// owners, modes, times and attributes, and gives `target` itself those of `path`. Does nothing
    /// where the image has no directory there.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Layer`], [`ImageError::Io`].
    pub fn copy_up(&self, image: &ImageId, path: &Path, target: &Path) -> Result<(), ImageError> {
        self.tree(image)?
            .copy_to(path, target)
            .map_err(failed("fill a volume from", path))
    }

    /// The directories of an image's layers, to be put together by overlay while the lease is kept.
    ///
    /// # Errors
    /// [`ImageError::Layer`].
    pub fn lowers(&self, image: &Image) -> Result<Lowers, ImageError> {
        Ok(self.layers.mounted(image.config.chain().as_ref())?)
    }

    /// Bytes in a container's upper directory (`SizeRw`), hard links counted once.
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn upper_bytes(&self, rw: &Path) -> Result<u64, ImageError> {
        let upper = rw.join("upper");
        gantry_layer::bytes_in(&upper).map_err(failed("measure", upper))
    }

    fn tree(&self, image: &ImageId) -> Result<Tree, ImageError> {
        let image = self
            .get(image)
            .ok_or_else(|| ImageError::NoSuchImage(image.to_string()))?;
        Ok(Tree::new(self.layers.view(image.config.chain().as_ref())?))
    }
}
