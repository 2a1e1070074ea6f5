//! Making staged directories layers: once, whole, and on the disk before anybody sees them.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use gantry_ids::Digest;
use rustix::fs::{AtFlags, CWD, RenameFlags, ResolveFlags, fsync, renameat_with, statat, syncfs};
use rustix::io::Errno;

use super::error::{LayerError, failed};
use super::layers::{Layers, StagedLayer, open_directory};
use super::mounts::Lease;
use super::record::{Form, Layer};
use super::{LayerStore, files};
use crate::erofs::{Beneath, Outline};
use crate::{ChainId, overlay};

/// A staged layer and what it will be.
struct Planned {
    staged: StagedLayer,
    layer: Arc<Layer>,
}

impl Layers {
    /// [`LayerStore::commit`]: plans, completes, syncs once, renames in order.
    pub(super) fn commit_all(
        &self,
        staged: Vec<StagedLayer>,
        parent: Option<&ChainId>,
    ) -> Result<Vec<Arc<Layer>>, LayerError> {
        if let Some(parent) = parent {
            self.known(parent)?;
        }
        let mut below = parent.copied();
        let mut planned = Vec::new();
        let mut chains = Vec::new();
        for staged in staged {
            let layer = Arc::new(plan(&staged, below.as_ref()));
            below = Some(layer.chain);
            chains.push(layer.chain);
            if self.get(&layer.chain).is_none() {
                planned.push(Planned { staged, layer });
            }
        }
        if planned.is_empty() {
            return chains.iter().map(|chain| self.known(chain)).collect();
        }
        self.make_durable(&mut planned)?;
        let directory = self.layers_dir();
        let layers_dir = File::open(&directory).map_err(failed("open", &directory))?;
        for one in planned {
            self.publish(&one)?;
        }
        fsync(&layers_dir).map_err(failed("sync", &directory))?;
        chains.iter().map(|chain| self.known(chain)).collect()
    }

    /// Puts another copy of a layer in its place, and lets the old one be removed.
    pub(super) fn replace(&self, staged: StagedLayer, chain: &ChainId) -> Result<(), LayerError> {
        let old = self.known(chain)?;
        let layer = Arc::new(plan(&staged, old.parent.as_ref()));
        let mut planned = [Planned { staged, layer }];
        self.make_durable(&mut planned)?;
        let (place, [one]) = (self.layer_dir(chain), planned);
        let mut known = self.layers.write().expect("nothing panics under this lock");
        let flags = RenameFlags::EXCHANGE;
        renameat_with(CWD, &one.staged.path, CWD, &place, flags)
            .map_err(failed("put a layer in place of", place))?;
        drop(self.mounts.forget(chain));
        known.insert(*chain, Arc::clone(&one.layer));
        drop(known);
        self.measured().remove(chain);
        let directory = self.layers_dir();
        let layers_dir = File::open(&directory).map_err(failed("open", &directory))?;
        fsync(&layers_dir).map_err(failed("sync", &directory))
    }

    /// Completes layers, says what is known of them, and brings them to the disk.
    fn make_durable(&self, planned: &mut [Planned]) -> Result<(), LayerError> {
        self.complete_implied(planned)?;
        for one in &*planned {
            let path = one.staged.path.join("layer.json");
            std::fs::write(&path, one.layer.to_json()).map_err(failed("write", path))?;
        }
        let is_directory = |one: &Planned| one.layer.form == Form::Directory;
        if planned.iter().any(is_directory) {
            let directory = self.layers_dir();
            let layers_dir = File::open(&directory).map_err(failed("open", &directory))?;
            return syncfs(&layers_dir).map_err(failed("sync", &directory));
        }
        // Not to wait for what containers write meanwhile. All at once: the journal takes them together.
        std::thread::scope(|scope| {
            let syncing: Vec<_> = planned
                .iter()
                .map(|one| scope.spawn(|| files::sync(&one.staged.path)))
                .collect();
            let mut ends = syncing
                .into_iter()
                .map(|one| one.join().expect("a sync does not panic"));
            ends.try_for_each(|end| end)
        })
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
    fn complete_implied(&self, planned: &mut [Planned]) -> Result<(), LayerError> {
        for index in 0..planned.len() {
            let (beneath, rest) = planned.split_at_mut(index);
            let one = &mut rest[0];
            if one.staged.implied.is_empty() {
                continue;
            }
            let Some(view) = self.view_beneath(one, beneath)? else {
                continue;
            };
            match one.staged.outline.take() {
                Some(outline) => {
                    let index = complete_outline(&one.staged, *outline, &view)?;
                    Arc::make_mut(&mut one.layer).index = Some(index);
                }
                None => complete_directories(&one.staged, &view)?,
            }
        }
        Ok(())
    }

    /// What lies beneath a planned layer: other planned layers, then committed ones.
    fn view_beneath(
        &self,
        one: &Planned,
        planned: &[Planned],
    ) -> Result<Option<OwnedFd>, LayerError> {
        let mut lowers = Vec::new();
        // The view keeps what it is made of.
        let mut lease = Lease::default();
        let mut next = one.layer.parent;
        while let Some(chain) = next {
            let Some(layer) = planned.iter().rfind(|other| other.layer.chain == chain) else {
                let committed = self.mounted(Some(&chain))?;
                lowers.extend(committed.paths);
                lease.extend(committed.lease);
                break;
            };
            match layer.layer.form {
                Form::Directory => lowers.push(layer.staged.path.join("fs")),
                Form::Erofs => {
                    let mounted = self.mounts.once(&layer.staged.path)?;
                    lowers.push(mounted.path().to_owned());
                    lease.push(mounted);
                }
            }
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

fn plan(staged: &StagedLayer, parent: Option<&ChainId>) -> Layer {
    Layer {
        chain: ChainId::on_top(parent, &staged.diff_id),
        diff_id: staged.diff_id,
        parent: parent.copied(),
        content_bytes: staged.content_bytes,
        tar_bytes: staged.tar_bytes,
        opaque: staged.opaque,
        form: staged.form,
        index: staged.index,
    }
}

fn complete_directories(staged: &StagedLayer, beneath: &OwnedFd) -> Result<(), LayerError> {
    let root = staged.path.join("fs");
    let fs = open_directory(&root)?;
    for path in &staged.implied {
        copy_directory(beneath, &fs, path).map_err(failed("complete", &root))?;
    }
    Ok(())
}

/// The same for a layer that is files: its index is written anew.
fn complete_outline(
    staged: &StagedLayer,
    mut outline: Outline,
    beneath: &OwnedFd,
) -> Result<Digest, LayerError> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let wrong = |error: Errno| failed("complete", &staged.path)(error);
    for path in &staged.implied {
        let source = match overlay::open_directory(beneath.as_fd(), path, resolve) {
            Ok(source) => source,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
            Err(error) => return Err(wrong(error)),
        };
        let stat = statat(&source, c"", AtFlags::EMPTY_PATH).map_err(wrong)?;
        let xattrs = overlay::attributes(&source).map_err(failed("complete", &staged.path))?;
        outline.complete(path, Beneath::new(&stat, xattrs));
    }
    files::write_index(&staged.path, &outline, (staged.diff_id, staged.tar_bytes))
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
