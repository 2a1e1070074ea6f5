//! Paths that the container may see but not write, or not see at all.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_linux::mount_attr::{self, MountAttributes, NODEV, NOEXEC, NOSUID, RDONLY};
use rustix::fs::{FileType, Mode, OFlags, makedev};
use rustix::mount::FsOpenFlags;

use crate::init::mounts::{attach, clone_at, finish_fs};
use crate::init::{Init, InitError, resolve};

impl Init<'_> {
    /// Makes a working directory.
    pub(crate) fn make_directory(&self, path: &Path) -> Result<(), InitError> {
        resolve::make_directory(self.root()?, path)
            .map(drop)
            .map_err(|source| InitError::MakeCwd {
                path: path.to_owned(),
                source,
            })
    }

    /// A path that is not there needs no protection.
    pub(crate) fn readonly_path(&self, path: &Path) -> Result<(), InitError> {
        let failed = |source| InitError::Readonly {
            path: path.to_owned(),
            source,
        };
        let target = match resolve::open(self.root()?, path) {
            Err(error) if is_absent(&error) => return Ok(()),
            other => other.map_err(failed)?,
        };
        let tree = clone_at(target.as_fd(), true).map_err(failed)?;
        let readonly = MountAttributes {
            set: RDONLY,
            ..MountAttributes::default()
        };
        mount_attr::set(tree.as_fd(), readonly).map_err(failed)?;
        attach(tree.as_fd(), target.as_fd()).map_err(failed)
    }

    /// Covers a file by the null device, a directory by an empty one.
    pub(crate) fn mask_path(&mut self, path: &Path) -> Result<(), InitError> {
        let failed = |source| InitError::Mask {
            path: path.to_owned(),
            source,
        };
        let target = match resolve::open(self.root()?, path) {
            Err(error) if is_absent(&error) => return Ok(()),
            other => other.map_err(failed)?,
        };
        let cover = if resolve::kind(target.as_fd()).map_err(failed)? == FileType::Directory {
            self.empty_directory().map_err(failed)?
        } else {
            clone_at(host_null()?.as_fd(), false).map_err(failed)?
        };
        attach(cover.as_fd(), target.as_fd()).map_err(failed)
    }
}

impl Init<'_> {
    /// An empty directory that nobody can write: one file system, seen at every place.
    fn empty_directory(&mut self) -> io::Result<OwnedFd> {
        if let Some(empty) = &self.empty {
            return clone_at(empty.as_fd(), false);
        }
        let fs = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(fs.as_fd(), "source", "tmpfs")?;
        rustix::mount::fsconfig_set_string(fs.as_fd(), "nr_blocks", "1")?;
        rustix::mount::fsconfig_set_string(fs.as_fd(), "nr_inodes", "1")?;
        rustix::mount::fsconfig_create(fs.as_fd())?;
        let empty = finish_fs(fs.as_fd(), RDONLY | NOSUID | NODEV | NOEXEC)?;
        self.empty = Some(empty.try_clone()?);
        Ok(empty)
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The host's null device, which is still there before the change of root. The container's own could
/// be anything that its image or another container put there (CVE-2025-31133).
fn host_null() -> Result<OwnedFd, InitError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let null =
        rustix::fs::open("/dev/null", flags, Mode::empty()).map_err(|_| InitError::NotNull)?;
    let stat = rustix::fs::fstat(&null).map_err(|_| InitError::NotNull)?;
    let is_null = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == makedev(1, 3);
    if is_null {
        Ok(null)
    } else {
        Err(InitError::NotNull)
    }
}
