//! The layers of containers: prepared, held, let go.

use std::path::Path;

use gantry_ids::{ContainerId, ImageId};
use gantry_layer::{ChainId, LayerStore, Rootfs};

use super::ImageStore;
use crate::ImageError;

impl<L: LayerStore> ImageStore<L> {
    /// Prepares the root filesystem of a new container: makes `rw/upper` and `rw/work` and keeps the
    /// image's layers until [`Self::release_rootfs`], even if the image is removed by force.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Layer`].
    pub fn prepare_rootfs(
        &self,
        container: &ContainerId,
        image: &ImageId,
        rw: &Path,
    ) -> Result<Rootfs, ImageError> {
        let chain = {
            let _writer = self.write_lock();
            let image = self
                .get(image)
                .ok_or_else(|| ImageError::NoSuchImage(image.to_string()))?;
            let chain = image.config.chain();
            self.hold(container, chain);
            chain
        };
        let rootfs = self.layers.rootfs(chain.as_ref(), rw);
        let rootfs = rootfs.inspect_err(|_| {
            self.let_go(container);
        })?;
        Ok(rootfs.above(&self.provided))
    }

    /// The root filesystem of a container that exists since before the engine's start. Keep
    /// [`Rootfs::chain`] in the container's record and call this for every container before
    /// [`Self::sweep`].
    ///
    /// # Errors
    /// [`ImageError::Layer`] if a layer is gone.
    pub fn adopt_rootfs(
        &self,
        container: &ContainerId,
        chain: Option<&ChainId>,
        rw: &Path,
    ) -> Result<Rootfs, ImageError> {
        self.hold(container, chain.copied());
        Ok(self.layers.rootfs(chain, rw)?.above(&self.provided))
    }

    /// Removes `rw` (out of sight at once, from the disk in the background) and lets go of the
    /// container's layers: those of an image that was removed meanwhile go too. No error if it was
    /// done before.
    ///
    /// # Errors
    /// [`ImageError::Layer`].
    pub fn release_rootfs(&self, container: &ContainerId, rw: &Path) -> Result<(), ImageError> {
        self.layers.discard(rw)?;
        let _writer = self.write_lock();
        if let Some(chain) = self.let_go(container) {
            chain.into_iter().for_each(|chain| self.note_use(chain));
            self.release_layers(chain)?;
        }
        Ok(())
    }

    /// Removes layers that neither an image nor a container needs. To be called once after every
    /// container was adopted.
    ///
    /// # Errors
    /// [`ImageError::Layer`].
    pub fn sweep(&self) -> Result<(), ImageError> {
        let _writer = self.write_lock();
        let layers = self.layers.list();
        let parents: std::collections::HashSet<_> =
            layers.iter().filter_map(|layer| layer.parent).collect();
        for layer in layers
            .iter()
            .filter(|layer| !parents.contains(&layer.chain))
        {
            for removed in self.release_layers(Some(layer.chain))? {
                tracing::info!(layer = %removed, "removed a layer that nothing needs");
            }
        }
        Ok(())
    }

    /// The layers that containers stand on.
    #[must_use]
    pub fn layers_of_containers(&self) -> std::collections::HashSet<ChainId> {
        let held = self.held.lock().expect("nothing panics under this lock");
        let mut used = std::collections::HashSet::new();
        for chain in held.values() {
            super::index::add_with_parents(*chain, &self.layers, &mut used);
        }
        used
    }

    fn hold(&self, container: &ContainerId, chain: Option<ChainId>) {
        let mut held = self.held.lock().expect("nothing panics under this lock");
        held.insert(container.clone(), chain);
    }

    fn let_go(&self, container: &ContainerId) -> Option<Option<ChainId>> {
        self.held
            .lock()
            .expect("nothing panics under this lock")
            .remove(container)
    }
}
