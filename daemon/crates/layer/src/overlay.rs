//! Layers put together by the kernel, seen through a descriptor and mounted nowhere.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown,
    fgetxattr, flistxattr, fsetxattr, fstat, futimens, openat2,
};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, mount, unmount,
};

use crate::Rootfs;

/// The largest attribute value the kernel has (`XATTR_SIZE_MAX`), and room for names.
const XATTR_MAX_BYTES: usize = 64 << 10;

/// Opens the root of the overlay of `lowers`, the top one first, at least two. `scratch` is a path
/// that does not exist, in a directory of the engine's own.
pub(crate) fn detached(lowers: &[PathBuf], scratch: &Path) -> io::Result<OwnedFd> {
    let mounted = match by_descriptor(lowers, &[], READ_ONLY) {
        // Kernels before 6.7 know no `lowerdir+`; before 5.2 no fsopen.
        Err(Errno::INVAL | Errno::NOSYS) => return by_mount_point(lowers, scratch),
        other => other?,
    };
    // The mount's own descriptor is of the kind that only names a place; this one can be read.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(open_directory(mounted.as_fd(), b".", resolve)?)
}

impl Rootfs {
    /// Puts the layers and the writable directory together, for whoever works on the tree without a
    /// container: mounted nowhere, gone when the descriptor is closed. It may be attached by
    /// `move_mount(2)`.
    ///
    /// # Errors
    /// Whatever the kernel says; it must know `lowerdir+` (6.7) if the paths of the layers do not
    /// fit a page.
    pub fn open(&self) -> io::Result<OwnedFd> {
        let writable = [("upperdir", &self.upper), ("workdir", &self.work)];
        let attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
        Ok(by_descriptor(&self.lowers, &writable, attributes)?)
    }
}

const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOSUID)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

fn by_descriptor(
    lowers: &[PathBuf],
    options: &[(&str, &PathBuf)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for lower in lowers {
        fsconfig_set_string(context.as_fd(), "lowerdir+", lower)?;
    }
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, value.as_path())?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// The same by `mount(2)`: mounted for an instant in a directory that nobody else can enter. The
/// layers are named by descriptors, so that a hundred of them fit the page that options may fill.
fn by_mount_point(lowers: &[PathBuf], scratch: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut opened = Vec::new();
    for lower in lowers {
        opened.push(rustix::fs::open(lower, flags, Mode::empty())?);
    }
    let names: Vec<_> = opened
        .iter()
        .map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd()))
        .collect();
    let options = std::ffi::CString::new(format!("lowerdir={}", names.join(":")))?;
    std::fs::create_dir(scratch)?;
    let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    let view = mount("overlay", scratch, "overlay", flags, &*options).and_then(|()| {
        let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let view = rustix::fs::open(scratch, open, Mode::empty());
        unmount(scratch, UnmountFlags::DETACH)?;
        view
    });
    std::fs::remove_dir(scratch)?;
    Ok(view?)
}

/// `openat2(2)` of a directory for reading. `EAGAIN` means that something was renamed meanwhile.
pub(crate) fn open_directory(
    root: BorrowedFd<'_>,
    path: &[u8],
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open_beneath(root, path, flags, resolve)
}

/// `openat2(2)` without magic links, tried again while things are being renamed.
pub(crate) fn open_beneath(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..16 {
        match openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Gives `to` the owner and mode of `from`.
pub(crate) fn copy_owner_and_mode(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let stat = fstat(from)?;
    fchown(
        &to,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
    )?;
    Ok(fchmod(&to, Mode::from_raw_mode(stat.st_mode & 0o7777))?)
}

/// Gives `to` the times in `stat`.
pub(crate) fn copy_times(stat: &Stat, to: impl AsFd) -> io::Result<()> {
    Ok(futimens(to, &times_of(stat))?)
}

/// The times in `stat`.
pub(crate) fn times_of(stat: &Stat) -> Timestamps {
    let nanos = |nanos: u64| nanos.try_into().unwrap_or(0);
    Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime,
            tv_nsec: nanos(stat.st_atime_nsec),
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: nanos(stat.st_mtime_nsec),
        },
    }
}

/// Gives `to` the extended attributes of `from`, but those that mean something to overlay.
pub(crate) fn copy_attributes(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    for (name, value) in attributes(from)? {
        match fsetxattr(&to, &*name, &value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The extended attributes of a file, but those that mean something to overlay.
pub(crate) fn attributes(file: impl AsFd) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0; XATTR_MAX_BYTES];
    let len = match flistxattr(&file, &mut names[..]) {
        Err(Errno::OPNOTSUPP) | Ok(0) => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    let mut value = vec![0; XATTR_MAX_BYTES];
    for name in names[..len]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            continue;
        }
        let len = fgetxattr(&file, name, &mut value[..])?;
        found.push((name.to_vec(), value[..len].to_vec()));
    }
    Ok(found)
}
