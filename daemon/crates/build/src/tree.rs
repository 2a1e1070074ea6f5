//! A directory tree whose paths the kernel resolves as if its root were `/`.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::{CopyError, Digests};

/// How often a call is tried again when the tree changes under it.
const TRIES: usize = 16;

/// A tree.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    digests: Option<Arc<Digests>>,
}

impl Tree {
    /// The tree beneath an open directory.
    #[must_use]
    pub const fn new(root: OwnedFd) -> Self {
        let digests = None;
        Self { root, digests }
    }

    /// The tree with digests of its files, which nobody but the engine may write to.
    #[must_use]
    pub fn with_digests(mut self, digests: Arc<Digests>) -> Self {
        self.digests = Some(digests);
        self
    }

    /// What is known of the files.
    pub(crate) fn digests(&self) -> Option<&Digests> {
        self.digests.as_deref()
    }

    /// The tree beneath a directory.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self::new(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Where the tree lies, for a mount of it.
    pub(crate) fn path(&self) -> io::Result<PathBuf> {
        std::fs::read_link(format!("/proc/self/fd/{}", self.root.as_raw_fd()))
    }

    /// Opens a path; links are followed within the tree.
    pub(crate) fn at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = path.trim_start_matches('/');
        let path = if path.is_empty() { "." } else { path };
        let mut tries = 0;
        loop {
            let flags = flags | OFlags::CLOEXEC;
            match openat2(
                self.root.as_fd(),
                path,
                flags,
                Mode::empty(),
                ResolveFlags::IN_ROOT,
            ) {
                Err(Errno::AGAIN) if tries < TRIES => tries += 1,
                opened => return opened,
            }
        }
    }

    /// Opens a directory; links are followed within the tree.
    pub(crate) fn directory(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Opens a regular file for reading; none if there is no such file.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn file(&self, path: &str) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match self.at(path, flags) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(file.metadata()?.is_file().then_some(file))
    }

    /// A small text file, empty if there is none.
    pub(crate) fn text(&self, path: &str) -> Result<String, CopyError> {
        const MAX_BYTES: u64 = 16 << 20;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match self.at(path, flags) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
            Err(error) => return Err(CopyError::read(path, error)),
        };
        let mut bytes = Vec::new();
        let read = file.take(MAX_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| CopyError::read(path, error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The names in a directory, sorted, without `.` and `..`.
pub(crate) fn names(directory: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
