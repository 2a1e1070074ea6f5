//! Digests of files that did not change since they were taken, so that they are not read again.
//!
//! A file is the same if its inode has the size, the time of its contents and the time of its last
//! change (`st_ctime`, which nobody can set) that it had then. That holds in directories that the
//! engine alone writes to; nothing else may be looked up here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::Stat;

/// How many files are remembered of a tree.
const FILES_MAX: usize = 1 << 20;

/// Bytes of a file in the form that is kept.
const ENTRY_BYTES: usize = 4 * 8 + 32;

/// The digests of a tree's files.
#[derive(Debug, Default)]
pub struct Digests(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    known: HashMap<u64, (State, [u8; 32])>,
    has_changed: bool,
}

/// What a file looked like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    size: i64,
    modified_ns: i64,
    changed_ns: i64,
}

impl State {
    fn of(stat: &Stat) -> Self {
        let ns = |seconds: i64, nanoseconds: i64| {
            seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(nanoseconds)
        };
        let part = |nanoseconds| i64::try_from(nanoseconds).unwrap_or(0);
        Self {
            size: stat.st_size,
            modified_ns: ns(stat.st_mtime, part(stat.st_mtime_nsec)),
            changed_ns: ns(stat.st_ctime, part(stat.st_ctime_nsec)),
        }
    }
}

impl Digests {
    /// The digest of a file, if it is as it was.
    #[must_use]
    pub fn get(&self, stat: &Stat) -> Option<[u8; 32]> {
        let files = self.lock();
        let (state, digest) = files.known.get(&stat.st_ino)?;
        (*state == State::of(stat)).then_some(*digest)
    }

    /// Remembers a digest; `stat` is of before the file was read.
    pub fn put(&self, stat: &Stat, digest: [u8; 32]) {
        let mut files = self.lock();
        if files.known.len() < FILES_MAX || files.known.contains_key(&stat.st_ino) {
            files.known.insert(stat.st_ino, (State::of(stat), digest));
            files.has_changed = true;
        }
    }

    /// Whether anything was remembered since they were read.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        self.lock().has_changed
    }

    /// For the next time: of each file its inode, size, times and digest.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let files = self.lock();
        let mut bytes = Vec::with_capacity(files.known.len() * ENTRY_BYTES);
        for (inode, (state, digest)) in &files.known {
            bytes.extend(inode.to_le_bytes());
            for number in [state.size, state.modified_ns, state.changed_ns] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(digest);
        }
        bytes
    }

    /// What was written once; a part that is cut off is passed over.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut known = HashMap::new();
        for entry in bytes.chunks_exact(ENTRY_BYTES).take(FILES_MAX) {
            let number = |at: usize| {
                let part = entry[8 * at..8 * (at + 1)].try_into();
                i64::from_le_bytes(part.expect("eight bytes"))
            };
            let state = State {
                size: number(1),
                modified_ns: number(2),
                changed_ns: number(3),
            };
            let digest = entry[32..].try_into().expect("32 bytes");
            known.insert(number(0).cast_unsigned(), (state, digest));
        }
        Self(Mutex::new(Files {
            known,
            has_changed: false,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_file_is_known_until_it_changes() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, "one").unwrap();
        let stat = |path| rustix::fs::stat(path).unwrap();
        let digests = Digests::default();
        let then = stat(&path);
        assert_eq!(digests.get(&then), None);
        digests.put(&then, [7; 32]);
        let kept = Digests::from_bytes(&digests.to_bytes());
        assert!(digests.have_changed() && !kept.have_changed());
        assert_eq!(kept.get(&stat(&path)), Some([7; 32]));
        // Of the same size and with the old time.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        while stat(&path).st_ctime_nsec == then.st_ctime_nsec {
            fs::write(&path, "two").unwrap();
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(modified)
                .unwrap();
        }
        assert_eq!(kept.get(&stat(&path)), None);
        assert!(Digests::from_bytes(&[1; 63]).known_none());
    }

    impl Digests {
        fn known_none(&self) -> bool {
            self.lock().known.is_empty()
        }
    }
}
