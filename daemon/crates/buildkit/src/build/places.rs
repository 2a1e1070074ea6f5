//! Directories that clients' files are received into, and kept in for the next time.
//!
//! A directory belongs to what the client calls the place it builds (the session's shared key). A
//! transfer into it has it for itself; another build of the same place at the same time gets a
//! second one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use gantry_ids::Digest;

/// The directories.
#[derive(Debug)]
pub struct Places {
    root: PathBuf,
    used: Mutex<BTreeSet<PathBuf>>,
}

/// A directory, for one user at a time.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    path: PathBuf,
    is_kept: bool,
}

impl Places {
    /// Keeps directories beneath a root, which is made.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(root: PathBuf) -> io::Result<Arc<Self>> {
        fs::create_dir_all(&root)?;
        Ok(Arc::new(Self {
            root,
            used: Mutex::default(),
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
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let path = (0_u32..)
            .map(|number| self.root.join(format!("{name}-{number}")))
            .find(|path| !used.contains(path))
            .expect("fewer than 2^32 are used");
        if !is_kept {
            remove(&path)?;
        }
        fs::create_dir_all(&path)?;
        used.insert(path.clone());
        Ok(Place {
            places: Arc::clone(self),
            path,
            is_kept,
        })
    }

    /// Removes every directory that nobody uses.
    ///
    /// # Errors
    /// The first that could not be removed; the others are gone.
    pub fn prune(&self) -> io::Result<()> {
        self.prune_unused_since(SystemTime::now(), &|_| ())
    }

    /// Removes what nobody has used since then; `removing` is told each directory while it is still there.
    ///
    /// # Errors
    /// As [`Self::prune`].
    pub fn prune_unused_since(
        &self,
        since: SystemTime,
        removing: &dyn Fn(&Path),
    ) -> io::Result<()> {
        let mut first = Ok(());
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let path = entry.path();
            // Held meanwhile: nobody can take it.
            let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            let last = entry.metadata().and_then(|found| found.modified());
            if !used.contains(&path) && last.is_ok_and(|last| last <= since) {
                removing(&path);
                first = first.and(remove(&path));
            }
        }
        first
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Place {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = remove(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "files of a client are left");
        }
        // When it was used last; one that cannot be marked goes a little earlier.
        if self.is_kept
            && let Ok(directory) = fs::File::open(&self.path)
        {
            let _ = directory.set_modified(SystemTime::now());
        }
        let mut used = self
            .places
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        used.remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_and_never_shared() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::open(root.path().join("contexts")).unwrap();
        let first = places.take("key").unwrap();
        fs::write(first.path().join("file"), "").unwrap();
        let second = places.take("key").unwrap();
        assert!(!second.path().join("file").exists());
        drop(first);
        let again = places.take("key").unwrap();
        assert!(again.path().join("file").exists());
        places.prune().unwrap();
        assert!(again.path().join("file").exists());
        drop((again, second));
        places.prune().unwrap();
        assert!(!places.take("key").unwrap().path().join("file").exists());
    }

    #[test]
    fn what_was_used_lately_stays() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::open(root.path().join("contexts")).unwrap();
        let before = SystemTime::now() - std::time::Duration::from_secs(60);
        let old = places.take("old").unwrap();
        let old_path = old.path().to_owned();
        drop(old);
        let directory = fs::File::open(&old_path).unwrap();
        directory.set_modified(before).unwrap();
        drop(places.take("new").unwrap());
        let gone = Mutex::new(Vec::new());
        let removing = |path: &Path| gone.lock().unwrap().push(path.to_owned());
        places.prune_unused_since(before, &removing).unwrap();
        assert_eq!(gone.into_inner().unwrap(), [old_path]);
        assert_eq!(
            fs::read_dir(root.path().join("contexts")).unwrap().count(),
            1
        );
    }

    #[test]
    fn a_place_without_a_key_is_gone_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::open(root.path().join("contexts")).unwrap();
        let place = places.take("").unwrap();
        let path = place.path().to_owned();
        fs::write(path.join("file"), "").unwrap();
        drop(place);
        assert!(!path.exists());
    }
}
