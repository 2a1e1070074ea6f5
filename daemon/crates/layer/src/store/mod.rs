//! The port behind which layers are stored.
//!
//! [`Layers`] stores each layer in one of two forms: unpacked to a directory, or as its tar with an
//! EROFS index over it (ADR 30). `tests/it/conformance.rs` says what every form must do.

mod check;
mod commit;
mod error;
mod files;
mod form;
mod layers;
mod mounts;
mod record;
mod trash;
mod unpacked;

use std::fmt;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use check::Fault;
pub use error::LayerError;
pub use layers::{LayerOptions, Layers, StagedLayer};
pub use mounts::Lease;
pub use record::{Form, Layer};

use crate::{ChainId, DiffId, Rootfs};

/// A layer that was read and verified, and that nobody can see yet. Dropped, it is removed.
pub trait Staged: Send + fmt::Debug {
    /// The digest of its uncompressed tar.
    fn diff_id(&self) -> DiffId;
}

/// The directories of a chain's layers, ready to be put together by overlay.
#[derive(Debug, Default)]
pub struct Lowers {
    /// Their directories, the top one first, never empty.
    pub paths: Vec<PathBuf>,
    /// Keeps them mounted.
    pub lease: Lease,
}

/// A store of layers.
///
/// A layer is whole or not there, whatever happens: a process killed or a machine switched off at
/// any instant leaves each layer either committed and synced or swept away at the next opening.
pub trait LayerStore: Send + Sync + fmt::Debug {
    /// A layer on its way in.
    type Staged: Staged;

    /// Reads a layer (plain, gzip or zstd) and unpacks it out of sight.
    ///
    /// # Errors
    /// [`LayerError`] if it is no sound layer or cannot be stored; nothing of it is left then.
    fn stage(&self, source: &mut (dyn Read + Send)) -> Result<Self::Staged, LayerError>;

    /// Makes staged layers visible, the first on top of `parent` and each next one on top of the one
    /// before it. All of them are on the disk before the first can be seen. A layer that the store
    /// has already is taken from the store.
    ///
    /// # Errors
    /// [`LayerError::NoSuchLayer`] without the parent; [`LayerError`] if they cannot be stored.
    fn commit(
        &self,
        staged: Vec<Self::Staged>,
        parent: Option<&ChainId>,
    ) -> Result<Vec<Arc<Layer>>, LayerError>;

    /// The layer of this chain.
    fn get(&self, chain: &ChainId) -> Option<Arc<Layer>>;

    /// All layers, in no order.
    fn list(&self) -> Vec<Arc<Layer>>;

    /// Removes a layer. Whether another lies on it or a container uses it, the caller must know.
    ///
    /// # Errors
    /// [`LayerError::NoSuchLayer`], or [`LayerError`] if it cannot be removed.
    fn remove(&self, chain: &ChainId) -> Result<(), LayerError>;

    /// Writes the layer's tar, byte for byte as it came (uncompressed).
    ///
    /// # Errors
    /// [`LayerError::Damaged`] if what was written has another digest than the layer.
    fn write_tar(&self, chain: &ChainId, to: &mut dyn Write) -> Result<(), LayerError>;

    /// Bytes that a layer takes on the disk, as `du` counts them; 0 if it is not there. Walks it once: the
    /// answer is kept for as long as the layer is.
    fn disk_bytes(&self, chain: &ChainId) -> u64;

    /// Where a chain's layers lie, the top one first: to be told, not to be looked into.
    ///
    /// # Errors
    /// [`LayerError::NoSuchLayer`].
    fn directories(&self, chain: Option<&ChainId>) -> Result<Vec<PathBuf>, LayerError>;

    /// The directories of a chain's layers, as overlay wants them, for as long as the lease is kept.
    /// An overlay that was made of them keeps them by itself.
    ///
    /// # Errors
    /// [`LayerError::NoSuchLayer`], or [`LayerError`] if one cannot be mounted.
    fn mounted(&self, chain: Option<&ChainId>) -> Result<Lowers, LayerError>;

    /// The root directory of a chain as a container that wrote nothing would see it, mounted nowhere
    /// and gone when the descriptor is closed.
    ///
    /// # Errors
    /// [`LayerError::NoSuchLayer`], or [`LayerError`] if overlay cannot be mounted.
    fn view(&self, chain: Option<&ChainId>) -> Result<OwnedFd, LayerError>;

    /// The root filesystem of a container on top of a chain. Makes `rw/upper` and `rw/work` unless
    /// they are there.
    ///
    /// # Errors
    /// [`LayerError::NoSuchLayer`], or [`LayerError`] if a directory cannot be made.
    fn rootfs(&self, chain: Option<&ChainId>, rw: &Path) -> Result<Rootfs, LayerError>;

    /// Removes a tree of the caller's from the same file system: out of sight at once, from the disk
    /// in the background (a crash meanwhile is made good at the next opening).
    ///
    /// # Errors
    /// [`LayerError`] if it cannot be moved away. It is no error if it is not there.
    fn discard(&self, tree: &Path) -> Result<(), LayerError>;
}
