//! A container's file tree as a descriptor, and paths resolved beneath it.
//!
//! A running container's own mounts are seen through `/proc/<pid>/root`; its upper directory is never
//! mounted a second time. One that does not run gets a detached overlay mount, which goes away with
//! the descriptor; a path beneath one of its binds or volumes is looked up there. No path is ever
//! followed outside the tree (`openat2`, `RESOLVE_IN_ROOT`).

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use gantry_layer::Rootfs;
use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, openat2},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
        fsopen,
    },
};

/// A tree to read from and write into.
#[derive(Debug)]
pub(crate) struct Root {
    dir: OwnedFd,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Root {
    /// The tree that a process sees.
    pub(super) fn of_process(pid: u32) -> io::Result<Self> {
        Self::of_directory(Path::new(&format!("/proc/{pid}/root")))
    }

    /// A directory of the host (a volume).
    pub(crate) fn of_directory(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            dir: rustix::fs::openat(CWD, path, flags, Mode::empty())?,
        })
    }

    /// A mount that may be attached nowhere.
    pub(crate) const fn of_mount(dir: OwnedFd) -> Self {
        Self { dir }
    }

    /// The layers of an image as one tree, for reading; the top one first.
    pub(crate) fn of_lowers(lowers: &[PathBuf]) -> io::Result<Self> {
        // One layer is no overlay.
        if let [only] = lowers {
            return Self::of_directory(only);
        }
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for lower in lowers {
            fsconfig_set_string(context.as_fd(), "lowerdir+", lower)?;
        }
        fsconfig_create(context.as_fd())?;
        let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
        let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        Ok(Self { dir: mount })
    }

    /// The tree of a container that does not run.
    pub(super) fn of_layers(rootfs: &Rootfs) -> io::Result<Self> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let set = |key: &str, path: &Path| fsconfig_set_string(context.as_fd(), key, path);
        fsconfig_set_string(context.as_fd(), "source", "overlay")?;
        for lower in &rootfs.lowers {
            set("lowerdir+", lower)?;
        }
        set("upperdir", &rootfs.upper)?;
        set("workdir", &rootfs.work)?;
        fsconfig_create(context.as_fd())?;
        let attributes = MountAttrFlags::empty();
        let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        Ok(Self { dir: mount })
    }

    /// Opens beneath the tree; links are followed within it, the last one only where `flags` say so.
    pub(super) fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(&self.dir, path, flags, Mode::empty(), resolve)?)
    }

    /// The node itself, without following a link at its end.
    pub(super) fn node(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open(path, OFlags::PATH | OFlags::NOFOLLOW)
    }

    /// A directory.
    pub(super) fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }
}
