//! Making staged directories layers: once, whole, and on the disk before anybody sees them.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, ResolveFlags, fsync, statat, syncfs};
use rustix::io::Errno;

use super::LayerStore;
use super::directories::{DirectoryLayers, StagedDirectory, open_directory};
use super::error::{LayerError, failed};
use super::record::Layer;
use crate::{ChainId, overlay};

/// A staged layer and what it will be.
struct Planned {
    staged: StagedDirectory,
    layer: Arc<Layer>,
}

impl DirectoryLayers {
    /// [`LayerStore::commit`]: plans, completes, syncs once, renames in order.
    pub(super) fn commit_all(
        &self,
        staged: Vec<StagedDirectory>,
        parent: Option<&ChainId>,
    ) -> Result<Vec<Arc<Layer>>, LayerError> {
        if let Some(parent) = parent {
            self.known(parent)?;
        }
        let mut below = parent.copied();
        let mut planned = Vec::new();
        let mut layers = Vec::new();
        for staged in staged {
            let layer = Arc::new(plan(&staged, below.as_ref()));
            below = Some(layer.chain);
            if let Some(known) = self.get(&layer.chain) {
                layers.push(known);
                continue;
            }
            layers.push(Arc::clone(&layer));
            planned.push(Planned { staged, layer });
        }
        self.complete_implied(&planned)?;
        for one in &planned {
            let path = one.staged.path.join("layer.json");
            std::fs::write(&path, one.layer.to_json()).map_err(failed("write", path))?;
        }
        if planned.is_empty() {
            return Ok(layers);
        }
        let directory = self.layers_dir();
        let layers_dir = File::open(&directory).map_err(failed("open", &directory))?;
        syncfs(&layers_dir).map_err(failed("sync", &directory))?;
        for one in planned {
            self.publish(&one)?;
        }
        fsync(&layers_dir).map_err(failed("sync", &directory))?;
        Ok(layers)
    }

    /// Renames a layer into place, unless somebody else was faster.
    fn publish(&self, one: &Planned) -> Result<(), LayerError> {
        let mut known = self.layers.write().expect("nothing panics under this lock");
        if known.contains_key(&one.layer.chain) {
            return Ok(());
        }
        let to = self.layer_dir(&one.layer.chain);
        std::fs::rename(&one.staged.path, &to).map_err(failed("rename a layer to", to))?;
        known.insert(one.layer.chain, Arc::clone(&one.layer));
        Ok(())
    }

    /// Gives directories that a tar forgot to mention the owner, mode, attributes and time that the
    /// layers beneath give them: they must not change because something was put into them.
    fn complete_implied(&self, planned: &[Planned]) -> Result<(), LayerError> {
        for (index, one) in planned.iter().enumerate() {
            if one.staged.implied.is_empty() {
                continue;
            }
            let Some(beneath) = self.view_beneath(one, &planned[..index])? else {
                continue;
            };
            let root = one.staged.path.join("fs");
            let fs = open_directory(&root)?;
            for path in &one.staged.implied {
                copy_directory(&beneath, &fs, path).map_err(failed("complete", &root))?;
            }
        }
        Ok(())
    }

    /// What lies beneath a planned layer: other planned layers, then committed ones.
    fn view_beneath(
        &self,
        one: &Planned,
        planned: &[Planned],
    ) -> Result<Option<std::os::fd::OwnedFd>, LayerError> {
        let mut lowers = Vec::new();
        let mut next = one.layer.parent;
        while let Some(chain) = next {
            let Some(layer) = planned.iter().rfind(|other| other.layer.chain == chain) else {
                lowers.extend(self.directories(Some(&chain))?);
                break;
            };
            lowers.push(layer.staged.path.join("fs"));
            next = if layer.layer.opaque {
                None
            } else {
                layer.layer.parent
            };
        }
        if lowers.is_empty() {
            return Ok(None);
        }
        lowers.push(self.layers_dir().with_file_name("empty"));
        let view = overlay::detached(&lowers, &self.trash.fresh());
        view.map(Some).map_err(LayerError::Mount)
    }
}

fn plan(staged: &StagedDirectory, parent: Option<&ChainId>) -> Layer {
    Layer {
        chain: ChainId::on_top(parent, &staged.diff_id),
        diff_id: staged.diff_id,
        parent: parent.copied(),
        content_bytes: staged.content_bytes,
        tar_bytes: staged.tar_bytes,
        opaque: staged.opaque,
    }
}

/// Copies what `path` (empty: the root) is in `from` to the same path in `to`; nothing if it is no
/// directory there.
fn copy_directory(from: impl AsFd, to: impl AsFd, path: &[u8]) -> std::io::Result<()> {
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let source = match overlay::open_directory(from.as_fd(), path, resolve) {
        Ok(source) => source,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let target = overlay::open_directory(to.as_fd(), path, resolve)?;
    overlay::copy_owner_and_mode(&source, &target)?;
    overlay::copy_attributes(&source, &target)?;
    let stat = statat(&source, c"", AtFlags::EMPTY_PATH)?;
    overlay::copy_times(&stat, &target)
}
