//! The store: one engine's images and the layers beneath them.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use gantry_ids::{ContainerId, ImageId, ImageRef};
use gantry_layer::{ChainId, Rootfs};

use crate::{
    ContainerUse, DiskUsage, HistoryItem, Image, ImageError, ImportRequest, LoadEvent, Loaded,
    PruneFilter, PruneReport, RemoveOptions, Removed,
};

/// Who uses an image: asked while a removal is decided, under the store's lock, so it must answer
/// from memory.
pub type UsedBy<'a> = &'a dyn Fn(&ImageId) -> Vec<ContainerUse>;

/// One engine's images. Shared by reference between threads; lookups and listings answer from
/// memory whatever a load is doing.
#[derive(Debug)]
pub struct ImageStore {}

impl ImageStore {
    /// Opens (or makes) the store in `root` (`<data-root>/image`) and takes its lock, which is held
    /// until the store is dropped. What a crash left half done is swept away.
    ///
    /// # Errors
    /// [`ImageError::InUse`] if another process has it; [`ImageError::Io`] and
    /// [`ImageError::Metadata`].
    pub fn open(root: &Path) -> Result<Self, ImageError> {
        let _ = root;
        Err(ImageError::NotBuilt("the image store"))
    }

    /// Loads every image of an archive (docker-archive or OCI layout; plain, gzip or zstd).
    ///
    /// # Errors
    /// Whatever is wrong with the archive; then nothing of it is kept.
    pub fn load(
        &self,
        archive: &mut (dyn Read + Send),
        progress: &mut dyn FnMut(LoadEvent),
    ) -> Result<Vec<Loaded>, ImageError> {
        let _ = (archive, progress);
        Err(ImageError::NotBuilt("load"))
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
        let _ = (rootfs, request);
        Err(ImageError::NotBuilt("import"))
    }

    /// All images, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Image>> {
        Vec::new()
    }

    /// The image that a person means by a reference, an identifier or its beginning.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Ambiguous`], [`ImageError::Reference`].
    pub fn find(&self, text: &str) -> Result<Arc<Image>, ImageError> {
        Err(ImageError::NoSuchImage(text.to_owned()))
    }

    /// The image with this identifier.
    #[must_use]
    pub fn get(&self, id: &ImageId) -> Option<Arc<Image>> {
        let _ = id;
        None
    }

    /// The steps an image came about by, the newest first.
    #[must_use]
    pub fn history(&self, image: &Image) -> Vec<HistoryItem> {
        let _ = image;
        Vec::new()
    }

    /// Lets `reference` mean `image` (tag `latest` if it has none). Answers the image that lost it.
    ///
    /// # Errors
    /// [`ImageError::TagWithDigest`], [`ImageError::NoSuchImage`], [`ImageError::Metadata`].
    pub fn tag(
        &self,
        image: &ImageId,
        reference: &ImageRef,
    ) -> Result<Option<ImageId>, ImageError> {
        let _ = (image, reference);
        Err(ImageError::NotBuilt("tag"))
    }

    /// Removes a name, and the image with its last name, by docker's rules.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Conflict`], [`ImageError::Metadata`].
    pub fn remove(
        &self,
        text: &str,
        options: RemoveOptions,
        used_by: UsedBy<'_>,
    ) -> Result<Vec<Removed>, ImageError> {
        let _ = (options, used_by);
        Err(ImageError::NoSuchImage(text.to_owned()))
    }

    /// Removes images that nothing names (or, with `all`, that no container uses).
    ///
    /// # Errors
    /// [`ImageError::Metadata`].
    pub fn prune(
        &self,
        filter: &PruneFilter,
        used_by: UsedBy<'_>,
    ) -> Result<PruneReport, ImageError> {
        let _ = (filter, used_by);
        Err(ImageError::NotBuilt("prune"))
    }

    /// What images cost on the disk.
    #[must_use]
    pub fn disk_usage(&self) -> DiskUsage {
        DiskUsage::default()
    }

    /// Prepares the root filesystem of a new container: makes `rw/upper` and `rw/work` and keeps the
    /// image's layers until [`Self::release_rootfs`], even if the image is removed by force.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Io`].
    pub fn prepare_rootfs(
        &self,
        container: &ContainerId,
        image: &ImageId,
        rw: &Path,
    ) -> Result<Rootfs, ImageError> {
        let _ = (container, image, rw);
        Err(ImageError::NotBuilt("preparing a root filesystem"))
    }

    /// The root filesystem of a container that exists since before the engine's start. Keep
    /// [`Rootfs::chain`] in the container's record and call this for every container before
    /// [`Self::sweep`].
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`] if a layer is gone.
    pub fn adopt_rootfs(
        &self,
        container: &ContainerId,
        chain: Option<&ChainId>,
        rw: &Path,
    ) -> Result<Rootfs, ImageError> {
        let _ = (container, chain, rw);
        Err(ImageError::NotBuilt("adopting a root filesystem"))
    }

    /// Removes `rw` and lets go of the container's layers.
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn release_rootfs(&self, container: &ContainerId, rw: &Path) -> Result<(), ImageError> {
        let _ = (container, rw);
        Err(ImageError::NotBuilt("releasing a root filesystem"))
    }

    /// Removes layers that neither an image nor a container needs. To be called once after every
    /// container was adopted.
    ///
    /// # Errors
    /// [`ImageError::Metadata`].
    pub fn sweep(&self) -> Result<(), ImageError> {
        Ok(())
    }

    /// Bytes in a container's upper directory (`SizeRw`).
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn upper_bytes(&self, rw: &Path) -> Result<u64, ImageError> {
        let _ = rw;
        Err(ImageError::NotBuilt("measuring an upper directory"))
    }

    /// Opens a file of an image (for reading, links followed beneath its root) as a container that
    /// has written nothing would see it; none if there is no such file.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Io`].
    pub fn open_in_image(&self, image: &ImageId, path: &Path) -> Result<Option<File>, ImageError> {
        let _ = (image, path);
        Err(ImageError::NotBuilt("reading an image's file"))
    }

    /// Copies what an image has at `path` into the empty directory `target` of a new volume, with
    /// owners, modes, times and attributes, and gives `target` itself those of `path`. Does nothing
    /// where the image has no directory there.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Io`].
    pub fn copy_up(&self, image: &ImageId, path: &Path, target: &Path) -> Result<(), ImageError> {
        let _ = (image, path, target);
        Err(ImageError::NotBuilt("filling a volume"))
    }
}
