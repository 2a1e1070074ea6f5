//! The store: one engine's images and the layers beneath them.

mod archive;
mod build;
mod commit;
mod container;
mod index;
mod metadata;
mod names;
mod partial;
mod provided;
mod record;
mod tidy;
mod transfer;
mod usage;
mod variants;
mod view;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use gantry_ids::{ContainerId, ImageId};
use gantry_layer::{ChainId, Form, LayerOptions, LayerStore, Layers, Limits};
use gantry_probe::failpoint;

pub use commit::CommitRequest;
pub(crate) use index::{Index, add_with_parents};
pub(crate) use metadata::{Change, Metadata};
pub use partial::Partial;
pub use provided::PROVIDED;
pub(crate) use record::{BlobRecord, ImageRecord, ManifestRecord};
pub use transfer::{BlobId, Pin, PulledImage, PulledLayer, PushedManifest};
pub use usage::Idle;
pub use variants::{Variant, Variants};

use crate::error::failed;
use crate::{ContainerUse, HistoryItem, Image, ImageError, failpoints};

/// Who uses an image: asked while a removal is decided, under the store's lock, so it must answer
/// from memory.
pub type UsedBy<'a> = &'a dyn Fn(&ImageId) -> Vec<ContainerUse>;

/// One engine's images. Shared by reference between threads; lookups and listings answer from
/// memory whatever a load is doing.
///
/// ```text
/// lock                 held while the store is open
/// partial/<digest>     blobs on their way in (store/partial.rs)
/// image.redb           configurations, names, manifests (store/metadata.rs)
/// provided/            what lies beneath each container's layers (store/provided.rs)
/// layers/ staging/ …   the layers (gantry-layer)
/// ```
#[derive(Debug)]
pub struct ImageStore<L: LayerStore = Layers> {
    pub(crate) layers: L,
    metadata: Metadata,
    index: RwLock<Index>,
    /// Held by whoever changes what is stored, so that no layer is removed between being found and
    /// being needed. Readers do not wait for it.
    writer: Mutex<()>,
    /// The chains that containers need.
    held: Mutex<HashMap<ContainerId, Option<ChainId>>>,
    /// The chains that pulls and pushes count on.
    pins: Mutex<Pins>,
    /// Where blobs on their way in lie.
    partials: PathBuf,
    /// The lowest directory of each container's root.
    provided: PathBuf,
    _lock: File,
}

impl ImageStore {
    /// Opens (or makes) the store in `root` (`<data-root>/image`) and takes its lock, which is held
    /// until the store is dropped. What a crash left half done is swept away. New layers are directories.
    ///
    /// # Errors
    /// [`ImageError::InUse`] if another process has it; [`ImageError::Io`], [`ImageError::Layer`]
    /// and [`ImageError::Metadata`].
    pub fn open(root: &Path) -> Result<Self, ImageError> {
        let mounts = root.join("mounts");
        Self::open_as(root, Form::Directory, mounts)
    }

    /// The same with new layers in the form `form`, and the folder where layers that are files are
    /// mounted.
    ///
    /// # Errors
    /// As [`ImageStore::open`].
    pub fn open_as(root: &Path, form: Form, mounts: PathBuf) -> Result<Self, ImageError> {
        let options = LayerOptions {
            limits: Limits::DEFAULT,
            form,
            mounts_files: None,
            mounts,
        };
        Self::open_with(root, |root| Layers::open(root, options))
    }
}

impl<L: LayerStore> ImageStore<L> {
    /// The same with a layer store of the caller's choice.
    ///
    /// # Errors
    /// As [`ImageStore::open`].
    pub fn open_with(
        root: &Path,
        open_layers: impl FnOnce(&Path) -> Result<L, gantry_layer::LayerError>,
    ) -> Result<Self, ImageError> {
        use std::os::unix::fs::DirBuilderExt;
        let mut directory = std::fs::DirBuilder::new();
        directory
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(failed("create", root))?;
        let lock = lock(root)?;
        let layers = open_layers(root)?;
        let metadata = Metadata::open(&root.join("image.redb"))?;
        let index = Index::build(metadata.read()?, &layers);
        Ok(Self {
            layers,
            metadata,
            index: RwLock::new(index),
            writer: Mutex::new(()),
            held: Mutex::new(HashMap::new()),
            pins: Mutex::default(),
            partials: partial::directory(root)?,
            provided: provided::directory(root)?,
            _lock: lock,
        })
    }

    /// The layers.
    pub const fn layers(&self) -> &L {
        &self.layers
    }

    /// All images, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Image>> {
        let mut images: Vec<_> = self.index().images().cloned().collect();
        images.sort_by_key(|image| (std::cmp::Reverse(image.created_ns()), image.id));
        images
    }

    /// The image that a person means by a reference, an identifier or its beginning.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Ambiguous`], [`ImageError::Reference`].
    pub fn find(&self, text: &str) -> Result<Arc<Image>, ImageError> {
        self.index().find(text)
    }

    /// The image with this identifier.
    #[must_use]
    pub fn get(&self, id: &ImageId) -> Option<Arc<Image>> {
        self.index().get(id)
    }

    /// The steps an image came about by, the newest first.
    #[must_use]
    pub fn history(&self, image: &Image) -> Vec<HistoryItem> {
        let file = image.config.file();
        let mut diffs = file.rootfs.diff_ids.iter();
        let mut chain = None;
        let mut items = Vec::new();
        for entry in &file.history {
            let mut size_bytes = 0;
            if !entry.empty_layer
                && let Some(diff) = diffs.next()
            {
                let on_top = ChainId::on_top(chain.as_ref(), diff);
                size_bytes = self
                    .layers
                    .get(&on_top)
                    .map_or(0, |layer| layer.content_bytes);
                chain = Some(on_top);
            }
            items.push(HistoryItem {
                id: None,
                created_s: entry
                    .created
                    .as_deref()
                    .and_then(crate::image::nanos)
                    .unwrap_or(0)
                    / 1_000_000_000,
                created_by: entry.created_by.clone(),
                tags: Vec::new(),
                size_bytes,
                comment: entry.comment.clone(),
            });
        }
        items.reverse();
        if let Some(newest) = items.first_mut() {
            newest.id = Some(image.id);
            newest.tags.clone_from(&image.tags);
        }
        self.name_parents(image, &mut items);
        items
    }

    /// Fills in the images that earlier steps ended with, where they are known here.
    fn name_parents(&self, image: &Image, items: &mut [HistoryItem]) {
        let index = self.index();
        let mut parent = image.parent;
        for item in items.iter_mut().skip(1) {
            let Some(found) = parent.and_then(|id| index.get(&id)) else {
                return;
            };
            item.id = Some(found.id);
            item.tags.clone_from(&found.tags);
            parent = found.parent;
        }
    }

    /// Everything that is recorded, as it stands on the disk.
    pub(crate) fn contents(&self) -> Result<metadata::Contents, ImageError> {
        self.metadata.read()
    }

    pub(crate) fn damaged_manifests(&self) -> Result<Vec<gantry_ids::Digest>, ImageError> {
        self.metadata.damaged_manifests()
    }

    /// The layers that neither an image nor a container nor a pull needs.
    pub(crate) fn unneeded(&self) -> Vec<ChainId> {
        let _writer = self.write_lock();
        let needed = self.needed();
        let layers = self.layers.list().into_iter().map(|layer| layer.chain);
        layers.filter(|chain| !needed.contains(chain)).collect()
    }

    /// To be called with the write lock held.
    fn needed(&self) -> std::collections::HashSet<ChainId> {
        let mut needed = self.index().needed(&self.layers);
        let held = self.held.lock().expect("nothing panics under this lock");
        for chain in held.values() {
            index::add_with_parents(*chain, &self.layers, &mut needed);
        }
        drop(held);
        let pins = self.pins.lock().expect("nothing panics under this lock");
        for pinned in pins.counts.keys() {
            index::add_with_parents(Some(*pinned), &self.layers, &mut needed);
        }
        needed
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().expect("nothing panics under this lock")
    }

    pub(crate) fn write_lock(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().expect("nothing panics under this lock")
    }

    /// Makes changes durable and then seen.
    pub(crate) fn change(&self, changes: Vec<Change>) -> Result<(), ImageError> {
        failpoint(failpoints::LAYERS_PLACED)?;
        self.metadata.write(&changes)?;
        failpoint(failpoints::RECORDED)?;
        self.show(changes)
    }

    /// The same without waiting for the disk.
    fn change_later(&self, changes: Vec<Change>) -> Result<(), ImageError> {
        self.metadata.write_later(&changes)?;
        self.show(changes)
    }

    fn show(&self, changes: Vec<Change>) -> Result<(), ImageError> {
        let mut index = self.index.write().expect("nothing panics under this lock");
        for change in changes {
            match change {
                Change::PutImage { id, config, record } => {
                    index.put(
                        id,
                        crate::ImageConfig::parse(&config)?,
                        record,
                        &self.layers,
                    );
                }
                Change::SetRecord { id, record } => index.set_record(&id, record),
                Change::DeleteImage { id } => index.remove(&id),
                Change::SetReference { reference, image } => {
                    index.set_reference(&reference, &image);
                }
                Change::DeleteReference { reference } => index.remove_reference(&reference),
                Change::PutBlob { digest, record } => index.put_blob(digest, record),
                Change::PutSources {
                    digest,
                    repositories,
                } => index.put_sources(digest, repositories),
                Change::SetVariants {
                    reference,
                    variants,
                } => index.set_variants(&reference, variants),
                Change::DeleteBlob { digest } => index.remove_blob(&digest),
                Change::PutUse { chain, at_ns } => index.put_use(chain, at_ns),
                Change::DeleteUse { chain } => index.remove_use(&chain),
                Change::PutManifest { .. } | Change::DeleteManifest { .. } => {}
            }
        }
        Ok(())
    }

    /// Removes the layers of `chain`, from the top down to the first that is needed. To be called
    /// with the write lock held.
    pub(crate) fn release_layers(
        &self,
        chain: Option<ChainId>,
    ) -> Result<Vec<ChainId>, ImageError> {
        let needed = self.needed();
        let mut removed = Vec::new();
        let mut next = chain;
        while let Some(chain) = next.filter(|chain| !needed.contains(chain)) {
            // A layer beneath another that is going too; gone already if two images shared it.
            let Some(layer) = self.layers.get(&chain) else {
                break;
            };
            next = layer.parent;
            self.layers.remove(&chain)?;
            removed.push(chain);
        }
        Ok(removed)
    }
}

/// Chains that are not to be removed, by the number of their pin.
#[derive(Debug, Default)]
struct Pins {
    next: u64,
    chains: HashMap<u64, ChainId>,
    /// How many pins each chain has.
    counts: HashMap<ChainId, usize>,
}

impl Pins {
    fn add(&mut self, chain: ChainId) -> Pin {
        self.next += 1;
        self.chains.insert(self.next, chain);
        *self.counts.entry(chain).or_default() += 1;
        Pin::new(self.next)
    }

    /// Takes a pin away, and gives its chain if it was the last one there.
    fn remove(&mut self, number: u64) -> Option<ChainId> {
        let chain = self.chains.remove(&number)?;
        let count = self.counts.get_mut(&chain)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.counts.remove(&chain);
        Some(chain)
    }
}

/// How long another engine is given to go away before it counts as alive.
const LOCK_LIMIT: Duration = Duration::from_secs(1);

/// Takes the store's lock, which the kernel gives back when this process ends.
fn lock(root: &Path) -> Result<File, ImageError> {
    let path = root.join("lock");
    let open = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = open.map_err(failed("open", &path))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // An engine that was just killed keeps its lock until the kernel has ended it.
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_LIMIT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(ImageError::InUse {
                    root: root.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
        }
    }
}
