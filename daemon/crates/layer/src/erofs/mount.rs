//! Mounting an index with its tar, from files and without a loop device (Linux 6.12 and later).

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};

use super::outline::Outline;
use super::write_index;
use crate::tar::Timestamp;

/// Mounts `index` with the tar behind it on the directory `on`.
pub(crate) fn attach(index: &Path, tar: &Path, on: &Path) -> io::Result<()> {
    let context = fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "source", index)?;
    fsconfig_set_string(context.as_fd(), "device", tar)?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
    let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(mount.as_fd(), "", CWD, on, flags)?)
}

/// Takes the mount on `on` away, even if it is in use: whoever uses it keeps it.
pub(crate) fn detach(on: &Path) -> io::Result<()> {
    match unmount(on, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the files of an empty layer to the directory `to`.
pub(crate) fn write_empty(to: &Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    let outline = Outline::new(Timestamp::default(), 0);
    write_index(&outline, 0, [0; 16], &mut bytes)?;
    std::fs::write(to.join("index"), bytes)?;
    std::fs::write(to.join("tar"), [0; 1024])
}
