//! The directory that entries are being made in.
//!
//! Tars list a directory's entries together, so the parent is opened once per run of entries and not
//! once per entry. Every opening goes beneath the root's descriptor.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2};
use rustix::io::Errno;

use super::path::{join, parent_of};

const OPEN_DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// Docker's mode for directories that a tar forgets to mention.
const IMPLIED_MODE: u32 = 0o755;

/// The current directory.
#[derive(Debug)]
pub(super) struct Cursor {
    root: OwnedFd,
    /// The path as it was asked for.
    asked: Vec<u8>,
    /// The same without symbolic links.
    path: Vec<u8>,
    dir: OwnedFd,
    /// Directories that are there because something lies in them, and that no entry described yet.
    pub(super) implied: BTreeSet<Vec<u8>>,
}

impl Cursor {
    /// Starts at the root.
    pub(super) fn new(root: OwnedFd) -> io::Result<Self> {
        let dir = root.try_clone()?;
        Ok(Self {
            root,
            asked: Vec::new(),
            path: Vec::new(),
            dir,
            implied: BTreeSet::new(),
        })
    }

    /// The layer's root.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The current directory.
    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The current directory's path from the root, without symbolic links.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// Makes `path` (clean) the current directory and makes what is missing of it. Symbolic links in
    /// it are followed as if the root were `/`, as docker does.
    pub(super) fn enter(&mut self, path: &[u8]) -> io::Result<()> {
        if path == self.asked {
            return Ok(());
        }
        let (dir, real) = match self.open(path) {
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {
                self.make(path)?
            }
            other => other?,
        };
        self.asked = path.to_vec();
        self.path = real;
        self.dir = dir;
        Ok(())
    }

    /// Opens a directory beneath the root and tells its path without symbolic links.
    pub(super) fn open(&self, path: &[u8]) -> io::Result<(OwnedFd, Vec<u8>)> {
        if path.is_empty() {
            return Ok((self.root.try_clone()?, Vec::new()));
        }
        match open_beneath(
            self.root(),
            path,
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        ) {
            Ok(dir) => Ok((dir, path.to_vec())),
            Err(Errno::LOOP) => {
                let dir = open_beneath(self.root(), path, ResolveFlags::IN_ROOT)?;
                let real = self.real_path(&dir)?;
                Ok((dir, real))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn make(&mut self, path: &[u8]) -> io::Result<(OwnedFd, Vec<u8>)> {
        let mut at = (self.root.try_clone()?, Vec::new());
        let mut end = 0;
        while end < path.len() {
            let start = if end == 0 { 0 } else { end + 1 };
            let len = path[start..].iter().position(|byte| *byte == b'/');
            end = len.map_or(path.len(), |len| start + len);
            at = match self.open(&path[..end]) {
                Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {
                    let name = &path[start..end];
                    mkdirat(&at.0, name, Mode::from_raw_mode(IMPLIED_MODE))?;
                    let real = join(&at.1, name);
                    self.implied.insert(real.clone());
                    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                    (open_beneath(at.0.as_fd(), name, beneath)?, real)
                }
                other => other?,
            };
        }
        Ok(at)
    }

    /// Where a directory that was reached through a link really is.
    fn real_path(&self, dir: &OwnedFd) -> io::Result<Vec<u8>> {
        let root = link_of(&self.root)?;
        let real = link_of(dir)?;
        let inside = real.strip_prefix(&*root).ok_or(Errno::XDEV)?;
        Ok(inside.strip_prefix(b"/").unwrap_or(inside).to_vec())
    }

    /// Whether files made in the current directory get its group and not ours.
    pub(super) fn gives_group(&self) -> io::Result<bool> {
        Ok(fstat(&self.dir)?.st_mode & Mode::SGID.as_raw_mode() != 0)
    }

    /// Opens the directory that `path` (clean) lies in, without making it current.
    pub(super) fn open_parent(&self, path: &[u8]) -> io::Result<(OwnedFd, Vec<u8>)> {
        let parent = parent_of(path);
        if parent == self.asked {
            return Ok((self.dir.try_clone()?, self.path.clone()));
        }
        self.open(parent)
    }
}

fn link_of(dir: &OwnedFd) -> io::Result<Vec<u8>> {
    use std::os::fd::AsRawFd;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd()))?;
    Ok(link.into_os_string().into_vec())
}

/// `openat2(2)` of a directory. `EAGAIN` means that something was renamed meanwhile.
pub(super) fn open_beneath(
    root: BorrowedFd<'_>,
    path: &[u8],
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..16 {
        match openat2(root, path, OPEN_DIRECTORY, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}
