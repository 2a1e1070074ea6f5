//! Directories that clients' files are received in, kept for the next build.
//!
//! A kept directory is named by what the client calls the place it builds (the session's shared key). A
//! transfer into it has it for itself; another build of the same place at the same time gets a
//! second one.
//!
//! What is small is received in memory and kept as one file; what is not, in a directory on the disk:
//!
//! ```text
//!   received/<name>-0.kept ── unpacked ── memory ── packed ── received/<name>-0.kept
//!                                           │ too large
//!   received/<name>-0/ ◄────────────────────┘
//! ```

mod kept;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use gantry_build::{Attached, Digests, Extent, Memory, Tree, unmount_beneath};
use gantry_ids::Digest;

use self::kept::{DIGESTS, KEPT, fill, keep, mark_used};
use super::files;

/// What is small: so many entries, with so many bytes of files.
const ENTRIES_MAX: u64 = 24_000;
/// See [`ENTRIES_MAX`].
pub(super) const SMALL_BYTES_MAX: u64 = 96 << 20;

/// The directories.
#[derive(Debug)]
pub struct Places {
    /// On the disk.
    root: PathBuf,
    /// Where memory is mounted.
    run: PathBuf,
    memory: Arc<Memory>,
    used: Mutex<BTreeMap<PathBuf, Use>>,
    freed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A build has it.
    Taken,
    /// No build has it any more, but it is not yet kept.
    Ending,
}

/// A directory, for one user at a time.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    /// Its name on the disk.
    path: PathBuf,
    is_kept: bool,
    held: Option<Held>,
    /// Of the files in it.
    digests: Arc<Digests>,
}

/// Memory that a place lies in.
#[derive(Debug)]
struct Held {
    attached: Attached,
    root: OwnedFd,
    has_changed: bool,
}

impl Places {
    /// Keeps directories beneath a root, and memory beneath `run`; both are made. What a killed engine
    /// left in memory is taken away.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn open(root: PathBuf, run: PathBuf, memory: Arc<Memory>) -> io::Result<Arc<Self>> {
        fs::create_dir_all(&root)?;
        unmount_beneath(&run)?;
        remove(&run)?;
        // Memory beneath it is open to whoever gets there.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&run)?;
        Ok(Arc::new(Self {
            root,
            run,
            memory,
            used: Mutex::default(),
            freed: Condvar::new(),
        }))
    }

    /// A directory that nobody uses, with what an earlier transfer under the key left in it; with an
    /// empty key it is empty, and gone afterwards.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn take(self: &Arc<Self>, key: &str) -> io::Result<Place> {
        let is_kept = !key.is_empty();
        let name = if is_kept {
            Digest::of(key.as_bytes()).hex()
        } else {
            "unnamed".to_owned()
        };
        let mut place = Place {
            places: Arc::clone(self),
            path: self.claim(&name),
            is_kept,
            held: None,
            digests: Arc::default(),
        };
        if !is_kept {
            remove(&place.path)?;
        } else if !place.path.exists() {
            place.held = self.held(&place.path);
            if place.held.is_none() {
                fs::create_dir(&place.path)?;
            }
            place.fill()?;
            return Ok(place);
        }
        fs::create_dir_all(&place.path)?;
        if is_kept && let Ok(bytes) = fs::read(place.path.with_extension(DIGESTS)) {
            place.digests = Arc::new(Digests::from_bytes(&bytes));
        }
        Ok(place)
    }

    /// The first path of a name that no build has.
    fn claim(&self, name: &str) -> PathBuf {
        let mut used = self.lock();
        loop {
            let path = (0_u32..)
                .map(|number| self.root.join(format!("{name}-{number}")))
                .find(|path| used.get(path) != Some(&Use::Taken))
                .expect("fewer than 2^32 are used");
            if used.get(&path).is_none() {
                used.insert(path.clone(), Use::Taken);
                return path;
            }
            // What the last build received is about to be kept.
            let waited = self.freed.wait(used);
            used = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Memory for a path; none if there is no room.
    fn held(&self, path: &Path) -> Option<Held> {
        let room = self.memory.room(Extent::of(ENTRIES_MAX, SMALL_BYTES_MAX))?;
        let at = self.run.join(path.file_name().expect("a name"));
        let attached = room
            .attach(at)
            .and_then(|attached| Ok((files::open(attached.path())?, attached)));
        match attached {
            Ok((root, attached)) => Some(Held {
                attached,
                root,
                has_changed: false,
            }),
            Err(error) => {
                tracing::debug!(%error, "a room in memory cannot be attached");
                None
            }
        }
    }

    /// Removes everything that nobody uses.
    ///
    /// # Errors
    /// The first that could not be removed; the others are gone.
    pub fn prune(&self) -> io::Result<()> {
        self.prune_where(&|_| true, &|_| ())
    }

    /// Removes what nobody has used since then; `removing` is told each directory or file while it is still there.
    ///
    /// # Errors
    /// As [`Self::prune`].
    pub fn prune_unused_since(
        &self,
        since: SystemTime,
        removing: &dyn Fn(&Path),
    ) -> io::Result<()> {
        let is_old = |path: &Path| {
            let last = fs::symlink_metadata(path).and_then(|found| found.modified());
            last.is_ok_and(|last| last <= since)
        };
        self.prune_where(&is_old, removing)
    }

    fn prune_where(
        &self,
        is_old: &dyn Fn(&Path) -> bool,
        removing: &dyn Fn(&Path),
    ) -> io::Result<()> {
        let mut first = Ok(());
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            let place = path.with_extension("");
            // Held meanwhile: nobody can take it.
            let mut used = self.lock();
            while used.get(&place) == Some(&Use::Ending) {
                let waited = self.freed.wait(used);
                used = waited.unwrap_or_else(PoisonError::into_inner);
            }
            if !used.contains_key(&place) && is_old(&path) {
                removing(&path);
                first = first.and(remove(&path));
            }
        }
        first
    }

    fn release(&self, path: &Path) {
        self.lock().remove(path);
        self.freed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Use>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(stat) if !stat.is_dir() => fs::remove_file(path),
        _ => fs::remove_dir_all(path),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Place {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.held
            .as_ref()
            .map_or(&self.path, |held| held.attached.path())
    }

    /// Brings back what was kept in a file. On the disk it needs no file any more.
    fn fill(&self) -> io::Result<()> {
        let kept = self.path.with_extension(KEPT);
        fill(&kept, &files::open(self.path())?, &self.digests);
        if self.held.is_none() {
            remove(&kept)?;
        }
        Ok(())
    }

    /// The directory as a tree, with what is known of its files.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn tree(&self) -> io::Result<Tree> {
        Ok(Tree::open(self.path())?.with_digests(Arc::clone(&self.digests)))
    }

    /// Whether it is in memory, and has room for little.
    #[must_use]
    pub const fn is_small(&self) -> bool {
        self.held.is_some()
    }

    /// Goes to the disk, empty: what is to come is too large for memory.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn enlarge(&mut self) -> io::Result<()> {
        self.held = None;
        self.digests = Arc::default();
        remove(&self.path.with_extension(KEPT))?;
        fs::create_dir_all(&self.path)
    }

    /// All is received; whether that changed anything.
    pub fn settle(&mut self, has_changed: bool) {
        if let Some(held) = &mut self.held {
            held.has_changed |= has_changed;
            held.attached.settle();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        let Some(held) = self.held.take() else {
            if self.is_kept && self.digests.have_changed() {
                let kept = fs::write(path.with_extension(DIGESTS), self.digests.to_bytes());
                if let Err(error) = kept {
                    tracing::debug!(path = %path.display(), %error, "digests are not kept");
                }
            }
            if !self.is_kept
                && let Err(error) = remove(&path)
            {
                tracing::warn!(path = %path.display(), %error, "files of a client are left");
            }
            mark_used(&path);
            return self.places.release(&path);
        };
        let Held {
            attached,
            root,
            has_changed,
        } = held;
        let room = attached.detach();
        if !has_changed {
            drop(root);
            mark_used(&path);
            return self.places.release(&path);
        }
        self.places.lock().insert(path.clone(), Use::Ending);
        let digests = Arc::clone(&self.digests);
        let places = Arc::clone(&self.places);
        let ending = Ending { places, path };
        // The build's end does not wait for it.
        let work = move || {
            let path = &ending.path;
            if let Err(error) = keep(path, root, &digests) {
                let error = gantry_errors::chain(&error);
                tracing::debug!(path = %path.display(), %error, "a client's files are not kept");
            }
            drop(room);
        };
        let thread = std::thread::Builder::new().name("context-keep".to_owned());
        if thread.spawn(work).is_err() {
            tracing::warn!("a client's files are not kept: no thread");
        }
    }
}

/// A place that is about to be kept; dropped, others may have it.
struct Ending {
    places: Arc<Places>,
    path: PathBuf,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.places.release(&self.path);
    }
}

#[cfg(test)]
mod tests;
