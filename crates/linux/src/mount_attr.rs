//! `mount_setattr(2)`: attributes and propagation of a mount, or of a whole tree of them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Attributes to set and clear; the bits are the kernel's `MOUNT_ATTR_*`, propagation its `MS_*`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct MountAttributes {
    /// `MOUNT_ATTR_*` bits to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` bits to clear.
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0 to leave it.
    pub propagation: u64,
}

/// No writing.
pub const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
/// Set-user-id bits have no effect.
pub const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
/// No access to devices.
pub const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
/// No execution.
pub const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
/// All access-time bits: clear them before setting another.
pub const ATIME_MASK: u64 = libc::MOUNT_ATTR__ATIME;
/// Access times are not updated.
pub const NOATIME: u64 = libc::MOUNT_ATTR_NOATIME;
/// Access times are updated always.
pub const STRICTATIME: u64 = libc::MOUNT_ATTR_STRICTATIME;
/// Access times of directories are not updated.
pub const NODIRATIME: u64 = libc::MOUNT_ATTR_NODIRATIME;
/// Symbolic links are not followed.
pub const NOSYMFOLLOW: u64 = libc::MOUNT_ATTR_NOSYMFOLLOW;
/// Mount events go both ways.
pub const SHARED: u64 = libc::MS_SHARED;
/// Mount events come in only.
pub const SLAVE: u64 = libc::MS_SLAVE;
/// No mount events.
pub const PRIVATE: u64 = libc::MS_PRIVATE;
/// Private, and cannot be bind-mounted.
pub const UNBINDABLE: u64 = libc::MS_UNBINDABLE;

/// Changes the mount that `mount` refers to.
///
/// # Errors
/// What `mount_setattr(2)` says.
pub fn set(mount: BorrowedFd<'_>, attributes: MountAttributes) -> io::Result<()> {
    apply(mount, attributes, 0)
}

/// Changes the mount that `mount` refers to and all below it, or none.
///
/// # Errors
/// What `mount_setattr(2)` says.
pub fn set_recursive(mount: BorrowedFd<'_>, attributes: MountAttributes) -> io::Result<()> {
    apply(mount, attributes, libc::AT_RECURSIVE)
}

/// Shows the owners of files in a tree of mounts that is not attached anywhere yet by the maps of a user
/// namespace: a number on the disk as that to which the namespace maps it, all others as nobody's.
///
/// # Errors
/// What `mount_setattr(2)` says; `EINVAL` for a file system that cannot.
pub fn map_owners(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> io::Result<()> {
    map(mount, namespace, libc::AT_RECURSIVE)
}

/// As [`map_owners`], of the one mount: what is mounted beneath it keeps its owners.
///
/// # Errors
/// As [`map_owners`].
pub fn map_owners_flat(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> io::Result<()> {
    map(mount, namespace, 0)
}

fn map(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: all-zero is a valid `mount_attr`.
    let mut raw: libc::mount_attr = unsafe { std::mem::zeroed() };
    raw.attr_set = libc::MOUNT_ATTR_IDMAP;
    raw.userns_fd =
        u64::try_from(namespace.as_raw_fd()).expect("an open descriptor is not negative");
    call(mount, &raw, flags)
}

fn apply(mount: BorrowedFd<'_>, attributes: MountAttributes, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: all-zero is a valid `mount_attr`.
    let mut raw: libc::mount_attr = unsafe { std::mem::zeroed() };
    raw.attr_set = attributes.set;
    raw.attr_clr = attributes.clear;
    raw.propagation = attributes.propagation;
    call(mount, &raw, flags)
}

fn call(mount: BorrowedFd<'_>, raw: &libc::mount_attr, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: the path is an empty C string, the struct is as long as said; both are only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | flags,
            std::ptr::from_ref(raw),
            size_of::<libc::mount_attr>(),
        )
    };
    crate::check(result).map(drop)
}
