//! Where layers that are files are mounted: the one place that mounts and unmounts them.
//!
//! A layer is mounted when its files are asked for and stays so while somebody holds a [`Lease`];
//! after that a number of mounts are kept, because the next container usually wants the same ones.
//! An overlay that was made of a mount keeps it by itself. What a killed engine left mounted is taken
//! away at the next opening.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::error::{LayerError, failed};
use crate::{ChainId, erofs};

/// Mounts that are kept though nobody holds them.
const IDLE_MAX: usize = 64;

/// Keeps layers mounted until it is dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease(Vec<Arc<Mounted>>);

/// One layer's mount, taken away with the last holder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    path: PathBuf,
}

/// The mounts of one store.
#[derive(Debug)]
pub(super) struct Mounts {
    folder: PathBuf,
    table: Mutex<Table>,
    /// Takes away what an earlier run left.
    sweeping: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Table {
    /// By layer: its mount and when it was last asked for.
    mounted: HashMap<ChainId, (Arc<Mounted>, u64)>,
    asked: u64,
    made: u64,
}

impl Lease {
    pub(super) fn push(&mut self, mounted: Arc<Mounted>) {
        self.0.push(mounted);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl Mounted {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        take_away(&self.path);
    }
}

impl Mounts {
    /// Takes `folder` over, which may not be there yet. What an earlier run left in it is taken away in the
    /// background: each mount takes the kernel a moment.
    pub(super) fn open(folder: PathBuf) -> Self {
        let left = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let left: Vec<_> = left.map(|entry| entry.path()).collect();
        let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u64>().ok();
        let made = left.iter().filter_map(number).max().unwrap_or(0);
        let table = Table {
            made,
            ..Table::default()
        };
        let sweeping = sweep(left).unwrap_or_else(|error| {
            tracing::warn!(%error, "could not take away the mounts that an earlier run left");
            None
        });
        Self {
            folder,
            table: Mutex::new(table),
            sweeping: Mutex::new(sweeping),
        }
    }

    /// The mount of a committed layer.
    pub(super) fn hold(&self, chain: ChainId, layer: &Path) -> Result<Arc<Mounted>, LayerError> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.asked += 1;
        let now = table.asked;
        if let Some((mounted, asked)) = table.mounted.get_mut(&chain) {
            *asked = now;
            return Ok(Arc::clone(mounted));
        }
        let mounted = self.mount(&mut table, layer)?;
        table.mounted.insert(chain, (Arc::clone(&mounted), now));
        let surplus = table.surplus();
        drop(table);
        drop(surplus);
        Ok(mounted)
    }

    /// Mounts a layer that is not committed yet.
    pub(super) fn once(&self, layer: &Path) -> Result<Arc<Mounted>, LayerError> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        self.mount(&mut table, layer)
    }

    /// Gives up the mount of a layer that is being removed or replaced.
    pub(super) fn forget(&self, chain: &ChainId) -> Option<Arc<Mounted>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.mounted.remove(chain).map(|(mounted, _)| mounted)
    }

    /// Lets all mounts go that nobody holds.
    pub(super) fn close(&self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut table.mounted);
        drop(table);
        drop(all);
        let mut sweeping = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = sweeping.take() {
            // A thread that panicked leaves what the next opening takes away.
            let _ = thread.join();
        }
        // Somebody may still hold one; then it is swept at the next opening.
        let _ = std::fs::remove_dir(&self.folder);
    }

    fn mount(&self, table: &mut Table, layer: &Path) -> Result<Arc<Mounted>, LayerError> {
        use std::os::unix::fs::DirBuilderExt;
        table.made += 1;
        let path = self.folder.join(table.made.to_string());
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&path);
        made.map_err(failed("create", &path))?;
        if let Err(source) = erofs::attach(&layer.join("index"), &layer.join("tar"), &path) {
            let _ = std::fs::remove_dir(&path);
            return Err(failed("mount the layer", layer)(source));
        }
        Ok(Arc::new(Mounted { path }))
    }
}

impl Table {
    /// Takes out what is over the number of idle mounts, the longest unused first.
    fn surplus(&mut self) -> Vec<Arc<Mounted>> {
        let idle = self
            .mounted
            .iter()
            .filter(|(_, (mounted, _))| Arc::strong_count(mounted) == 1);
        let mut idle: Vec<_> = idle.map(|(chain, (_, asked))| (*asked, *chain)).collect();
        idle.sort_unstable();
        let over = idle.len().saturating_sub(IDLE_MAX);
        let old = idle.into_iter().take(over);
        old.filter_map(|(_, chain)| Some(self.mounted.remove(&chain)?.0))
            .collect()
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes mounts away on a thread of its own, if there are any.
fn sweep(left: Vec<PathBuf>) -> std::io::Result<Option<JoinHandle<()>>> {
    if left.is_empty() {
        return Ok(None);
    }
    let named = std::thread::Builder::new().name("layer-unmount".to_owned());
    let thread = named.spawn(move || left.iter().for_each(|path| take_away(path)))?;
    Ok(Some(thread))
}

fn take_away(path: &Path) {
    let result = erofs::detach(path).and_then(|()| std::fs::remove_dir(path));
    if let Err(error) = result
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "could not take away a layer's mount");
    }
}
