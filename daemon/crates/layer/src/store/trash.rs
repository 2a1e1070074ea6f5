//! Removing trees out of sight at once and from the disk in the background.
//!
//! Removing a large layer takes seconds, and nobody waits for it: a tree is renamed into the staging
//! directory, which every opening sweeps, and removed by one thread.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::error::{LayerError, failed};
use super::mounts::Mounted;

/// The staging directory and the thread that empties it.
#[derive(Debug)]
pub(super) struct Trash {
    staging: PathBuf,
    next: AtomicU64,
    sender: Mutex<Option<Sender<Discarded>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A tree to be removed, after its mount was taken away if it has one.
#[derive(Debug)]
struct Discarded {
    tree: PathBuf,
    mounted: Option<Arc<Mounted>>,
}

impl Trash {
    /// Opens the staging directory and begins to remove what an earlier run left in it.
    pub(super) fn open(staging: PathBuf) -> Result<Self, LayerError> {
        let left = std::fs::read_dir(&staging).map_err(failed("list", &staging))?;
        let (sender, receiver) = channel::<Discarded>();
        let mut next = 0;
        for entry in left {
            let entry = entry.map_err(failed("list", &staging))?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u64>().ok());
            next = next.max(number.map_or(0, |number| number + 1));
            // The receiver lives: it is still here.
            let _ = sender.send(Discarded {
                tree: entry.path(),
                mounted: None,
            });
        }
        let thread = std::thread::Builder::new()
            .name("layer-remove".to_owned())
            .spawn(move || receiver.iter().for_each(remove))
            .map_err(failed("start the thread that empties", &staging))?;
        Ok(Self {
            staging,
            next: AtomicU64::new(next),
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// A path in the staging directory that nothing has yet.
    pub(super) fn fresh(&self) -> PathBuf {
        self.staging
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Moves a tree to the staging directory and lets it be removed.
    pub(super) fn discard(&self, tree: &Path) -> Result<(), LayerError> {
        self.discard_mounted(tree, None)
    }

    /// The same for a layer that may be mounted: to unmount takes the kernel a moment too.
    pub(super) fn discard_mounted(
        &self,
        tree: &Path,
        mounted: Option<Arc<Mounted>>,
    ) -> Result<(), LayerError> {
        let to = self.fresh();
        match std::fs::rename(tree, &to) {
            Ok(()) => {
                self.send(Discarded { tree: to, mounted });
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("move away", tree)(error)),
        }
    }

    /// Lets a tree in the staging directory be removed.
    pub(super) fn remove_later(&self, tree: PathBuf) {
        self.send(Discarded {
            tree,
            mounted: None,
        });
    }

    fn send(&self, discarded: Discarded) {
        let sender = self.sender.lock().expect("nothing panics under this lock");
        if let Some(sender) = &*sender {
            // A dead thread means that the next opening sweeps.
            let _ = sender.send(discarded);
        }
    }
}

impl Drop for Trash {
    /// Waits until everything is removed, so that a store that was closed has left nothing behind.
    fn drop(&mut self) {
        drop(self.sender.lock().map(|mut sender| sender.take()));
        if let Ok(Some(thread)) = self.thread.lock().map(|mut thread| thread.take()) {
            let _ = thread.join();
        }
    }
}

fn remove(discarded: Discarded) {
    let Discarded { tree, mounted } = discarded;
    drop(mounted);
    let result = match std::fs::symlink_metadata(&tree) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(&tree),
        Ok(_) => std::fs::remove_file(&tree),
        Err(error) => Err(error),
    };
    if let Err(error) = result
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %tree.display(), %error, "could not remove a discarded tree");
    }
}
