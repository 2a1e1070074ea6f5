//! Events as files, numbered in their order.

use std::fs;
use std::path::PathBuf;

/// A folder of waiting events; this process is its only user.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// Numbers `first..next` wait.
    first: u64,
    next: u64,
}

impl Spool {
    /// A spool that begins empty: a bundle has one shim in its life.
    pub(super) fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            first: 0,
            next: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first == self.next
    }

    /// Adds an event, whole or not at all.
    pub(super) fn push(&mut self, event: &[u8]) {
        let new = self.folder.join(".new");
        let written = fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(&new, event))
            .and_then(|()| fs::rename(&new, self.path(self.next)));
        // With no room on the state directory nothing can be kept; the exit record still tells.
        if written.is_ok() {
            self.next += 1;
        }
    }

    /// The oldest event. One that cannot be read is an empty one.
    pub(super) fn front(&self) -> Option<Vec<u8>> {
        (!self.is_empty()).then(|| fs::read(self.path(self.first)).unwrap_or_default())
    }

    /// Forgets the oldest event.
    pub(super) fn pop(&mut self) {
        if !self.is_empty() {
            let _ = fs::remove_file(self.path(self.first));
            self.first += 1;
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_in_the_order_they_came() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::at(folder.path().join("events"));
        assert_eq!(spool.front(), None);
        for event in [b"a", b"b", b"c"] {
            spool.push(event);
        }
        for event in [b"a", b"b", b"c"] {
            assert_eq!(spool.front().as_deref(), Some(event.as_slice()));
            spool.pop();
        }
        assert!(spool.is_empty());
        assert_eq!(
            fs::read_dir(folder.path().join("events")).unwrap().count(),
            0
        );
    }
}
