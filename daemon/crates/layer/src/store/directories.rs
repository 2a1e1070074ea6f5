//! The adapter that keeps each layer unpacked in a directory of its own.
//!
//! ```text
//! layers/<chain, 64 hex>/
//!     fs/           the files, as overlay wants them
//!     recipe        what makes the exact tar again, together with fs/ (recipe.rs)
//!     kept/<n>      contents that a later entry of the same tar replaced; rarely there
//!     layer.json    what is known of the layer
//! staging/<n>/      layers on their way in, trees on their way out; swept at every opening
//! empty/            the lowest layer of an image without layers
//! ```
//!
//! A directory in `layers/` is a committed layer: it is renamed there when all of it is on the disk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rustix::fs::{Mode, OFlags, fchmod, openat};

use super::error::{LayerError, failed};
use super::record::{Layer, RecordError};
use super::trash::Trash;
use super::{LayerStore, Staged};
use crate::extract::{Target, extract};
use crate::{ChainId, DiffId, Limits, Rootfs, overlay, pipeline, reassemble};

/// Layers as directories.
#[derive(Debug)]
pub struct DirectoryLayers {
    root: PathBuf,
    limits: Limits,
    pub(super) trash: Arc<Trash>,
    pub(super) layers: RwLock<HashMap<ChainId, Arc<Layer>>>,
}

/// A layer that was unpacked into the staging directory.
#[derive(Debug)]
pub struct StagedDirectory {
    pub(super) path: PathBuf,
    pub(super) diff_id: DiffId,
    pub(super) tar_bytes: u64,
    pub(super) content_bytes: u64,
    pub(super) opaque: bool,
    pub(super) implied: Vec<Vec<u8>>,
    trash: Arc<Trash>,
}

impl Staged for StagedDirectory {
    fn diff_id(&self) -> DiffId {
        self.diff_id
    }
}

impl Drop for StagedDirectory {
    /// What was not committed is removed; a committed layer's directory is not there any more.
    fn drop(&mut self) {
        self.trash.remove_later(std::mem::take(&mut self.path));
    }
}

impl DirectoryLayers {
    /// Opens (or makes) a store in `root`, which no other process may use meanwhile.
    ///
    /// # Errors
    /// [`LayerError::Io`] if a directory cannot be made or read, or a layer was written by a later
    /// version.
    pub fn open(root: &Path, limits: Limits) -> Result<Self, LayerError> {
        for name in ["layers", "staging", "empty"] {
            let path = root.join(name);
            make_private(&path)?;
        }
        let layers = read_layers(&root.join("layers"))?;
        let trash = Arc::new(Trash::open(root.join("staging"))?);
        let mut known = HashMap::new();
        for (path, record) in layers {
            match record {
                Ok(layer) => {
                    known.insert(layer.chain, Arc::new(layer));
                }
                Err(error @ RecordError::Version(_)) => {
                    return Err(failed("read", path)(std::io::Error::other(error)));
                }
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "removing a damaged layer");
                    trash.discard(&path)?;
                }
            }
        }
        Ok(Self {
            root: root.to_owned(),
            limits,
            trash,
            layers: RwLock::new(known),
        })
    }

    pub(super) fn layers_dir(&self) -> PathBuf {
        self.root.join("layers")
    }

    pub(super) fn layer_dir(&self, chain: &ChainId) -> PathBuf {
        self.root.join("layers").join(chain.digest().hex())
    }

    fn empty_dir(&self) -> PathBuf {
        self.root.join("empty")
    }

    pub(super) fn known(&self, chain: &ChainId) -> Result<Arc<Layer>, LayerError> {
        self.get(chain).ok_or(LayerError::NoSuchLayer(*chain))
    }

    /// Unpacks into a directory of the staging directory, which exists and is empty.
    fn unpack(
        &self,
        path: &Path,
        source: &mut (dyn Read + Send),
    ) -> Result<(pipeline::SourceRead, crate::extract::Extracted), LayerError> {
        make_private(&path.join("fs"))?;
        make_private(&path.join("kept"))?;
        let root = open_directory(&path.join("fs"))?;
        fchmod(&root, Mode::from_raw_mode(0o755)).map_err(failed("change the mode of", path))?;
        let recipe = path.join("recipe");
        let target = Target {
            root,
            kept: open_directory(&path.join("kept"))?,
            recipe: File::create_new(&recipe).map_err(failed("create", recipe))?,
        };
        let (read, extracted) =
            pipeline::run(source, |pieces| extract(pieces, target, self.limits))?;
        Ok((read, extracted?))
    }
}

impl LayerStore for DirectoryLayers {
    type Staged = StagedDirectory;

    fn stage(&self, source: &mut (dyn Read + Send)) -> Result<StagedDirectory, LayerError> {
        let path = self.trash.fresh();
        make_private(&path)?;
        let mut staged = StagedDirectory {
            path: path.clone(),
            diff_id: DiffId::new(gantry_ids::Digest::of(b"")),
            tar_bytes: 0,
            content_bytes: 0,
            opaque: false,
            implied: Vec::new(),
            trash: Arc::clone(&self.trash),
        };
        let (read, extracted) = self.unpack(&path, source)?;
        let recipe = path.join("recipe");
        extracted
            .recipe
            .finish(read.diff_id.digest())
            .map_err(failed("write", &recipe))?;
        if extracted.kept == 0 {
            let kept = path.join("kept");
            std::fs::remove_dir(&kept).map_err(failed("remove", kept))?;
        }
        staged.diff_id = read.diff_id;
        staged.tar_bytes = read.tar_bytes;
        staged.content_bytes = extracted.content_bytes;
        staged.opaque = extracted.opaque_root;
        staged.implied = extracted.implied;
        Ok(staged)
    }

    fn commit(
        &self,
        staged: Vec<StagedDirectory>,
        parent: Option<&ChainId>,
    ) -> Result<Vec<Arc<Layer>>, LayerError> {
        self.commit_all(staged, parent)
    }

    fn get(&self, chain: &ChainId) -> Option<Arc<Layer>> {
        self.layers
            .read()
            .expect("nothing panics under this lock")
            .get(chain)
            .cloned()
    }

    fn list(&self) -> Vec<Arc<Layer>> {
        let layers = self.layers.read().expect("nothing panics under this lock");
        layers.values().cloned().collect()
    }

    fn remove(&self, chain: &ChainId) -> Result<(), LayerError> {
        let mut layers = self.layers.write().expect("nothing panics under this lock");
        if !layers.contains_key(chain) {
            return Err(LayerError::NoSuchLayer(*chain));
        }
        self.trash.discard(&self.layer_dir(chain))?;
        layers.remove(chain);
        Ok(())
    }

    fn write_tar(&self, chain: &ChainId, to: &mut dyn Write) -> Result<(), LayerError> {
        let layer = self.known(chain)?;
        reassemble::write(&self.layer_dir(chain), &layer, to)
    }

    fn directories(&self, chain: Option<&ChainId>) -> Result<Vec<PathBuf>, LayerError> {
        let mut directories = Vec::new();
        let mut next = chain.copied();
        while let Some(chain) = next {
            let layer = self.known(&chain)?;
            directories.push(self.layer_dir(&chain).join("fs"));
            // Overlay does not look at an opaque mark on a layer's root: what it hides is left out.
            next = if layer.opaque { None } else { layer.parent };
        }
        if directories.is_empty() {
            directories.push(self.empty_dir());
        }
        Ok(directories)
    }

    fn view(&self, chain: Option<&ChainId>) -> Result<OwnedFd, LayerError> {
        let mut lowers = self.directories(chain)?;
        let empty = self.empty_dir();
        if !lowers.contains(&empty) {
            // Overlay without an upper directory wants two lower ones.
            lowers.push(empty);
        } else if lowers.len() == 1 {
            return open_directory(&empty);
        }
        overlay::detached(&lowers, &self.trash.fresh()).map_err(LayerError::Mount)
    }

    fn rootfs(&self, chain: Option<&ChainId>, rw: &Path) -> Result<Rootfs, LayerError> {
        let lowers = self.directories(chain)?;
        let rootfs = Rootfs::overlay(chain.copied(), lowers, rw);
        make_private(rw)?;
        make_private(&rootfs.work)?;
        if std::fs::create_dir(&rootfs.upper).is_ok() {
            // The upper directory is what the container sees as the owner and mode of `/`.
            let top = open_directory(&rootfs.lowers[0])?;
            let upper = open_directory(&rootfs.upper)?;
            overlay::copy_owner_and_mode(&top, &upper)
                .map_err(failed("set owner and mode of", &rootfs.upper))?;
        } else {
            open_directory(&rootfs.upper)?;
        }
        Ok(rootfs)
    }

    fn discard(&self, tree: &Path) -> Result<(), LayerError> {
        self.trash.discard(tree)
    }
}

/// Makes a directory that only the engine can enter, unless it is there.
fn make_private(path: &Path) -> Result<(), LayerError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("create", path))
}

pub(super) fn open_directory(path: &Path) -> Result<OwnedFd, LayerError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    openat(rustix::fs::CWD, path, flags, Mode::empty()).map_err(failed("open", path))
}

type Records = Vec<(PathBuf, Result<Layer, RecordError>)>;

fn read_layers(directory: &Path) -> Result<Records, LayerError> {
    let mut records = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed("list", directory))? {
        let path = entry.map_err(failed("list", directory))?.path();
        let record = Layer::read(&path.join("layer.json"));
        records.push((path, record));
    }
    Ok(records)
}
