//! Which form layers get on this kernel, and what becomes of layers that are files where it cannot mount them.
//!
//! A data root may come to a kernel that is older than the one that filled it. Layers that are files are
//! made directories there, each when its files are first asked for; what their content is does not change.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use rustix::io::Errno;

use super::error::{LayerError, failed};
use super::layers::{Layers, make_private};
use super::record::{Form, Layer};
use super::{Lowers, Staged};
use crate::{ChainId, erofs, overlay};

impl Layers {
    /// The form that new layers get: the one that was asked for, if the kernel has it.
    pub fn form(&self) -> Form {
        match self.wanted {
            Form::Erofs if self.mounts_files() => Form::Erofs,
            Form::Erofs | Form::Directory => Form::Directory,
        }
    }

    /// Whether the kernel mounts layers that are files from where this store lies: tried until it is known.
    fn mounts_files(&self) -> bool {
        if let Some(known) = self.mounts_files.get() {
            return *known;
        }
        let scratch = self.trash.fresh();
        let tried = make_private(&scratch).and_then(|()| self.try_mount(&scratch));
        self.trash.remove_later(scratch);
        match &tried {
            Ok(()) => {}
            // A full disk says nothing of the kernel.
            Err(error) if is_short(error) => return false,
            Err(error) => {
                let error = gantry_errors::chain(error);
                tracing::info!(%error, "this kernel mounts no EROFS files here: layers are directories");
            }
        }
        *self.mounts_files.get_or_init(|| tried.is_ok())
    }

    /// Mounts an empty layer made in `scratch`, an empty directory, looks into it and lays an overlay on it.
    fn try_mount(&self, scratch: &Path) -> Result<(), LayerError> {
        erofs::write_empty(scratch).map_err(failed("write an empty layer to", scratch))?;
        let mounted = self.mounts.once(scratch)?;
        let (on, below) = (mounted.path().to_owned(), scratch.join("below"));
        std::fs::read_dir(&on)
            .and_then(|mut entries| entries.try_for_each(|entry| entry.map(drop)))
            .map_err(failed("list", &on))?;
        make_private(&below)?;
        let view = overlay::detached(&[on, below], &scratch.join("view"));
        view.map(drop).map_err(LayerError::Mount)
    }

    /// The directories of these layers. Those that are files, and that the kernel cannot mount, become
    /// directories first.
    pub(super) fn lowers(&self, layers: &[Arc<Layer>]) -> Result<Lowers, LayerError> {
        let has_files = layers.iter().any(|layer| layer.form == Form::Erofs);
        if !has_files || self.mounts_files.get() != Some(&false) {
            match self.mount_all(layers) {
                Err(error) if has_files => {
                    if self.mounts_files() || self.mounts_files.get().is_none() {
                        return Err(error);
                    }
                }
                end => return end,
            }
        }
        self.mount_all(&self.made_directories(layers)?)
    }

    fn mount_all(&self, layers: &[Arc<Layer>]) -> Result<Lowers, LayerError> {
        let mut lowers = Lowers::default();
        for layer in layers {
            let directory = self.layer_dir(&layer.chain);
            match layer.form {
                Form::Directory => lowers.paths.push(directory.join("fs")),
                Form::Erofs => {
                    let mounted = self.mounts.hold(layer.chain, &directory)?;
                    lowers.paths.push(mounted.path().to_owned());
                    lowers.lease.push(mounted);
                }
            }
        }
        Ok(lowers)
    }

    /// The same layers as directories.
    fn made_directories(&self, layers: &[Arc<Layer>]) -> Result<Vec<Arc<Layer>>, LayerError> {
        let converting = self.converting.lock();
        let _converting = converting.unwrap_or_else(PoisonError::into_inner);
        // All beneath them too, and from below: it is looked at when a layer is made.
        let mut chains = Vec::new();
        let mut next = layers.first().map(|layer| layer.chain);
        while let Some(chain) = next {
            chains.push(chain);
            next = self.known(&chain)?.parent;
        }
        for chain in chains.iter().rev() {
            if self.known(chain)?.form == Form::Erofs {
                self.make_directory(chain)?;
            }
        }
        layers
            .iter()
            .map(|layer| self.known(&layer.chain))
            .collect()
    }

    /// Unpacks a layer that is files, and puts the directory in its place.
    fn make_directory(&self, chain: &ChainId) -> Result<(), LayerError> {
        let layer = self.known(chain)?;
        tracing::info!(layer = %chain, "making a directory of a layer that this kernel cannot mount");
        let staged = self.copy_of(chain)?;
        if staged.diff_id() != layer.diff_id {
            return Err(LayerError::Damaged {
                chain: *chain,
                found: staged.diff_id(),
                expected: layer.diff_id,
            });
        }
        self.replace(staged, chain)
    }
}

/// Whether something was wanting that may be there later.
fn is_short(error: &LayerError) -> bool {
    use std::io::ErrorKind::{OutOfMemory, QuotaExceeded, StorageFull};
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            let too_many = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
            return matches!(error.kind(), OutOfMemory | QuotaExceeded | StorageFull)
                || too_many.contains(&error.raw_os_error());
        }
        next = error.source();
    }
    false
}
