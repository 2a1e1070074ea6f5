//! The store of one engine: layers of both forms, new ones in the form that was chosen.
//!
//! ```text
//! layers/<chain, 64 hex>/    a layer (unpacked.rs, files.rs), with layer.json
//! staging/<n>/               layers on their way in, trees on their way out; swept at every opening
//! empty/                     the lowest layer of an image without layers
//! ```
//!
//! A directory in `layers/` is a committed layer: it is renamed there when all of it is on the disk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use gantry_ids::Digest;
use rustix::fs::{Mode, OFlags, openat};

use super::error::{LayerError, failed};
use super::mounts::Mounts;
use super::record::{Form, Layer, RecordError};
use super::trash::Trash;
use super::{LayerStore, Lowers, Staged, files, unpacked};
use crate::erofs::Outline;
use crate::{ChainId, DiffId, Limits, Rootfs, overlay, pipeline, reassemble};

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct LayerOptions {
    /// How much a layer may ask for.
    pub limits: Limits,
    /// The form of new layers. Where the kernel cannot mount EROFS from files, new layers are
    /// directories whatever this says.
    pub form: Form,
    /// Whether the kernel can; nothing means that it is tried when it must be known.
    pub mounts_files: Option<bool>,
    /// Where layers that are files are mounted: a folder of this store alone, which need not be there.
    pub mounts: PathBuf,
}

/// One engine's layers.
#[derive(Debug)]
pub struct Layers {
    root: PathBuf,
    limits: Limits,
    /// What new layers are where the kernel has it.
    pub(super) wanted: Form,
    /// Whether the kernel mounts layers that are files, once that is known.
    pub(super) mounts_files: OnceLock<bool>,
    /// Held while layers are made directories.
    pub(super) converting: Mutex<()>,
    pub(super) mounts: Mounts,
    pub(super) trash: Arc<Trash>,
    pub(super) layers: RwLock<HashMap<ChainId, Arc<Layer>>>,
    /// What layers that were measured take on the disk: they do not change.
    measured: Mutex<HashMap<ChainId, u64>>,
}

/// A layer in the staging directory.
#[derive(Debug)]
pub struct StagedLayer {
    pub(super) path: PathBuf,
    pub(super) diff_id: DiffId,
    pub(super) tar_bytes: u64,
    pub(super) content_bytes: u64,
    pub(super) opaque: bool,
    pub(super) implied: Vec<Vec<u8>>,
    pub(super) form: Form,
    pub(super) outline: Option<Box<Outline>>,
    pub(super) index: Option<Digest>,
    trash: Arc<Trash>,
}

impl Staged for StagedLayer {
    fn diff_id(&self) -> DiffId {
        self.diff_id
    }
}

impl StagedLayer {
    /// Unpacks a tar: the layer is a directory.
    fn unpack(&mut self, source: &mut (dyn Read + Send), limits: Limits) -> Result<(), LayerError> {
        let (read, extracted) = unpacked::stage(&self.path, source, limits)?;
        self.set(read, extracted.content_bytes, extracted.opaque_root);
        self.implied = extracted.implied;
        self.form = Form::Directory;
        Ok(())
    }

    const fn set(&mut self, read: pipeline::SourceRead, content_bytes: u64, opaque: bool) {
        self.diff_id = read.diff_id;
        self.tar_bytes = read.tar_bytes;
        self.content_bytes = content_bytes;
        self.opaque = opaque;
    }
}

impl Drop for StagedLayer {
    /// What was not committed is removed; a committed layer's directory is not there any more.
    fn drop(&mut self) {
        self.trash.remove_later(std::mem::take(&mut self.path));
    }
}

impl Layers {
    /// Opens (or makes) a store in `root`, which no other process may use meanwhile.
    ///
    /// # Errors
    /// [`LayerError::Io`] if a directory cannot be made or read, or a layer was written by a later
    /// version.
    pub fn open(root: &Path, options: LayerOptions) -> Result<Self, LayerError> {
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
            limits: options.limits,
            wanted: options.form,
            mounts_files: options.mounts_files.map(OnceLock::from).unwrap_or_default(),
            converting: Mutex::default(),
            mounts: Mounts::open(options.mounts),
            trash,
            layers: RwLock::new(known),
            measured: Mutex::default(),
        })
    }

    pub(super) fn layers_dir(&self) -> PathBuf {
        self.root.join("layers")
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
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

    /// Takes away all mounts that nobody holds; what is asked for afterwards is mounted again.
    pub fn close(&self) {
        self.mounts.close();
    }

    pub(super) fn measured(&self) -> MutexGuard<'_, HashMap<ChainId, u64>> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The layers of a chain that can be seen, the top one first.
    fn seen(&self, chain: Option<&ChainId>) -> Result<Vec<Arc<Layer>>, LayerError> {
        let mut layers = Vec::new();
        let mut next = chain.copied();
        while let Some(chain) = next {
            let layer = self.known(&chain)?;
            // Overlay does not look at an opaque mark on a layer's root: what it hides is left out.
            next = if layer.opaque { None } else { layer.parent };
            layers.push(layer);
        }
        Ok(layers)
    }
}

impl LayerStore for Layers {
    type Staged = StagedLayer;

    fn stage(&self, source: &mut (dyn Read + Send)) -> Result<StagedLayer, LayerError> {
        let path = self.trash.fresh();
        make_private(&path)?;
        let mut staged = StagedLayer {
            path: path.clone(),
            diff_id: DiffId::new(Digest::of(b"")),
            tar_bytes: 0,
            content_bytes: 0,
            opaque: false,
            implied: Vec::new(),
            form: self.form(),
            outline: None,
            index: None,
            trash: Arc::clone(&self.trash),
        };
        match staged.form {
            Form::Directory => staged.unpack(source, self.limits)?,
            Form::Erofs => match files::stage(&path, source, self.limits)? {
                Some(files) => {
                    staged.set(files.read, files.content_bytes, files.opaque);
                    staged.implied = files.implied;
                    staged.outline = files.outline;
                    staged.index = Some(files.index);
                }
                None => {
                    let tar = path.join("tar");
                    let mut source = File::open(&tar).map_err(failed("open", &tar))?;
                    staged.unpack(&mut source, self.limits)?;
                    std::fs::remove_file(&tar).map_err(failed("remove", tar))?;
                }
            },
        }
        Ok(staged)
    }

    fn commit(
        &self,
        staged: Vec<StagedLayer>,
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
        let mounted = self.mounts.forget(chain);
        self.trash
            .discard_mounted(&self.layer_dir(chain), mounted)?;
        layers.remove(chain);
        self.measured().remove(chain);
        Ok(())
    }

    fn write_tar(&self, chain: &ChainId, to: &mut dyn Write) -> Result<(), LayerError> {
        let layer = self.known(chain)?;
        let directory = self.layer_dir(chain);
        match layer.form {
            Form::Directory => reassemble::write(&directory, &layer, to),
            Form::Erofs => files::write_tar(&directory, &layer, to),
        }
    }

    fn disk_bytes(&self, chain: &ChainId) -> u64 {
        if let Some(bytes) = self.measured().get(chain) {
            return *bytes;
        }
        if self.get(chain).is_none() {
            return 0;
        }
        let bytes = crate::disk_bytes(&self.layer_dir(chain), &[]).unwrap_or(0);
        // Removed meanwhile, it is not to be remembered for ever.
        if self.get(chain).is_some() {
            self.measured().insert(*chain, bytes);
        }
        bytes
    }

    fn directories(&self, chain: Option<&ChainId>) -> Result<Vec<PathBuf>, LayerError> {
        let seen = self.seen(chain)?;
        let place = |layer: &Arc<Layer>| match layer.form {
            Form::Directory => self.layer_dir(&layer.chain).join("fs"),
            Form::Erofs => self.layer_dir(&layer.chain),
        };
        let directories: Vec<_> = seen.iter().map(place).collect();
        if directories.is_empty() {
            return Ok(vec![self.empty_dir()]);
        }
        Ok(directories)
    }

    fn mounted(&self, chain: Option<&ChainId>) -> Result<Lowers, LayerError> {
        let mut lowers = self.lowers(&self.seen(chain)?)?;
        if lowers.paths.is_empty() {
            lowers.paths.push(self.empty_dir());
        }
        Ok(lowers)
    }

    fn view(&self, chain: Option<&ChainId>) -> Result<OwnedFd, LayerError> {
        // The view keeps what it is made of: the lease ends here.
        let Lowers {
            paths: mut lowers,
            lease: _lease,
        } = self.mounted(chain)?;
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
        let lowers = self.mounted(chain)?;
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
pub(super) fn make_private(path: &Path) -> Result<(), LayerError> {
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
