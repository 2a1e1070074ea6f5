//! The root file system as a whole: made a mount, made the root.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use gantry_linux::mount_attr::{self, MountAttributes, RDONLY};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags};

use crate::init::{Init, InitError};

/// A copy of a mount, and of all below it.
const CLONE_TREE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_RECURSIVE);

/// Changes propagation of everything that the new mount namespace copied from the host.
pub(crate) fn host_propagation(kind: u64) -> Result<(), InitError> {
    propagate(Path::new("/"), kind, true).map_err(InitError::HostPropagation)
}

/// Changes propagation of the container's root.
pub(crate) fn propagation(kind: u64, recursive: bool) -> Result<(), InitError> {
    propagate(Path::new("/"), kind, recursive).map_err(InitError::HostPropagation)
}

/// Makes the mount that `path` is in private: a mount attached there would appear on the host, and
/// `pivot_root` refuses shared parents.
pub(crate) fn parent_private(path: &Path) -> Result<(), InitError> {
    let mount = path
        .ancestors()
        .find(|path| is_mount(path))
        .unwrap_or(Path::new("/"));
    propagate(mount, mount_attr::PRIVATE, false).map_err(InitError::HostPropagation)
}

fn is_mount(path: &Path) -> bool {
    rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::empty())
        .is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn propagate(path: &Path, kind: u64, recursive: bool) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mount = rustix::fs::open(path, flags, Mode::empty())?;
    let change = MountAttributes {
        propagation: kind,
        ..MountAttributes::default()
    };
    if recursive {
        mount_attr::set_recursive(mount.as_fd(), change)
    } else {
        mount_attr::set(mount.as_fd(), change)
    }
}

/// Makes the root itself, not what is mounted in it, read-only.
pub(crate) fn readonly() -> Result<(), InitError> {
    let failed = |source| InitError::Readonly {
        path: PathBuf::from("/"),
        source,
    };
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|source| failed(source.into()))?;
    let change = MountAttributes {
        set: RDONLY,
        ..MountAttributes::default()
    };
    mount_attr::set(root.as_fd(), change).map_err(failed)
}

impl Init<'_> {
    /// Mounts the root's directory on itself: `pivot_root` wants a mount, and the copy is the
    /// container's own to change.
    pub(crate) fn bind_root(&mut self, path: &Path) -> Result<(), InitError> {
        let failed = |source: io::Error| InitError::Root {
            path: path.to_owned(),
            source,
        };
        let tree = rustix::mount::open_tree(CWD, path, CLONE_TREE)
            .map_err(|source| failed(source.into()))?;
        // The copy belongs to the group of mounts that the original is in. Private first: nothing
        // that is mounted in the container may appear on the host.
        let private = MountAttributes {
            propagation: mount_attr::PRIVATE,
            ..Default::default()
        };
        mount_attr::set(tree.as_fd(), private).map_err(failed)?;
        let onto = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        rustix::mount::move_mount(&tree, "", CWD, path, onto)
            .map_err(|source| failed(source.into()))?;
        self.root = Some(tree);
        Ok(())
    }

    /// Makes the container's root the root, and lets go of the host's.
    pub(crate) fn pivot_root(&mut self) -> Result<(), InitError> {
        let root = self.root()?;
        let pivot = || -> rustix::io::Result<()> {
            rustix::process::fchdir(root)?;
            // The old root ends up on top of the new one, at the same place, and is taken off there:
            // no directory for it is needed inside.
            rustix::process::pivot_root(".", ".")?;
            rustix::mount::unmount(".", UnmountFlags::DETACH)?;
            rustix::process::chdir("/")
        };
        pivot().map_err(|source| InitError::PivotRoot(source.into()))
    }

    /// The same, cutting the old root's ties before it is let go: its unmounting would otherwise reach
    /// the host.
    pub(crate) fn pivot_shared_root(&mut self) -> Result<(), InitError> {
        let root = self.root()?;
        let pivot = || -> io::Result<()> {
            let old = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            rustix::process::fchdir(root)?;
            rustix::process::pivot_root(".", ".")?;
            let slave = MountAttributes {
                propagation: mount_attr::SLAVE,
                ..Default::default()
            };
            mount_attr::set_recursive(old.as_fd(), slave)?;
            rustix::process::fchdir(&old)?;
            rustix::mount::unmount(".", UnmountFlags::DETACH)?;
            Ok(rustix::process::chdir("/")?)
        };
        pivot().map_err(InitError::PivotRoot)
    }

    /// For a root on a ramdisk, which cannot be pivoted away: moved over `/` and entered.
    pub(crate) fn move_root(&mut self) -> Result<(), InitError> {
        let root = self.root()?;
        let enter = || -> rustix::io::Result<()> {
            rustix::process::fchdir(root)?;
            rustix::mount::mount_move(".", "/")?;
            rustix::process::chroot(".")?;
            rustix::process::chdir("/")
        };
        enter().map_err(|source| InitError::PivotRoot(source.into()))
    }
}
