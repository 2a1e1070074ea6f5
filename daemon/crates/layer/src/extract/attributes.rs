//! Owners, modes, extended attributes and times of what was made.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{
    AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat, fchmod, fchown,
    fsetxattr, futimens, lsetxattr, utimensat,
};
use rustix::io::Errno;

use super::error::{EntryError, failed};
use crate::tar::{Entry, Timestamp};

/// Marks a directory that hides what lower layers have there (overlayfs, "whiteouts and opaque
/// directories").
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";
/// Attributes that mean something to overlay itself. In a layer they could only be a leftover of
/// some other overlay, or an attempt to redirect lookups.
pub(crate) const OVERLAYS_OWN: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
/// Bits that a change of owner takes away.
const SPECIAL_BITS: u32 = 0o7000;

/// What this process gives to new files, found out once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    umask: u32,
    uid: u32,
    gid: u32,
}

impl Defaults {
    /// Reads the umask without changing it, which would disturb other threads.
    pub(super) fn of_process() -> io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let umask = status
            .lines()
            .find_map(|line| line.strip_prefix("Umask:"))
            .and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok())
            // Kernels before 4.7 do not tell: then every mode is set.
            .unwrap_or(0o777);
        Ok(Self {
            umask,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        })
    }

    /// Whether a new file must be given to its owner; `inherits` says that its directory gives it
    /// another group than ours.
    fn needs_owner(&self, entry: &Entry, inherits: bool) -> bool {
        inherits || entry.uid != self.uid || entry.gid != self.gid
    }

    /// Whether a new file did not get its whole mode.
    const fn needs_mode(&self, entry: &Entry) -> bool {
        entry.mode & (self.umask | SPECIAL_BITS) != 0
    }
}

/// Finishes a new regular file.
pub(super) fn finish_file(
    file: BorrowedFd<'_>,
    entry: &Entry,
    defaults: Defaults,
    inherits: bool,
) -> Result<(), EntryError> {
    // A change of owner takes the set-user bit and capabilities away, so it comes first.
    if defaults.needs_owner(entry, inherits) {
        fchown(
            file,
            Some(Uid::from_raw(entry.uid)),
            Some(Gid::from_raw(entry.gid)),
        )
        .map_err(failed("change its owner"))?;
    }
    if defaults.needs_mode(entry) {
        fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(failed("change its mode"))?;
    }
    set_attributes(entry, |name, value| {
        fsetxattr(file, name, value, XattrFlags::empty())
    })?;
    futimens(file, &times(entry.mtime)).map_err(failed("set its time"))
}

/// Finishes a directory, new or not, all but its time.
pub(super) fn finish_directory(dir: BorrowedFd<'_>, entry: &Entry) -> Result<(), EntryError> {
    fchown(
        dir,
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    )
    .map_err(failed("change its owner"))?;
    fchmod(dir, Mode::from_raw_mode(entry.mode)).map_err(failed("change its mode"))?;
    set_attributes(entry, |name, value| {
        fsetxattr(dir, name, value, XattrFlags::empty())
    })
}

/// Finishes a new link, device or pipe, which cannot be opened.
pub(super) fn finish_special(
    dir: BorrowedFd<'_>,
    name: &[u8],
    entry: &Entry,
    has_mode: bool,
) -> Result<(), EntryError> {
    let owner = (
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    );
    chownat(dir, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed("change its owner"))?;
    if has_mode {
        // Made by us a moment ago and no symbolic link, so there is nothing to follow.
        chmodat(dir, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())
            .map_err(failed("change its mode"))?;
    }
    if !entry.xattrs.is_empty() {
        let prefix = format!("/proc/self/fd/{}/", dir.as_raw_fd());
        let path = [prefix.as_bytes(), name].concat();
        set_attributes(entry, |name, value| {
            lsetxattr(&*path, name, value, XattrFlags::empty())
        })?;
    }
    utimensat(dir, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed("set its time"))
}

/// Makes a directory hide what lower layers have there.
pub(super) fn make_opaque(dir: impl AsFd) -> Result<(), EntryError> {
    fsetxattr(dir, OPAQUE, b"y", XattrFlags::empty()).map_err(failed("make it opaque"))
}

/// Sets the attributes that the file system takes. What it has no place for is left out with a
/// warning, as docker does: a layer stays usable where, say, no security module is.
fn set_attributes(
    entry: &Entry,
    set: impl Fn(&[u8], &[u8]) -> Result<(), Errno>,
) -> Result<(), EntryError> {
    for (name, value) in &entry.xattrs {
        if OVERLAYS_OWN.iter().any(|prefix| name.starts_with(prefix)) {
            tracing::warn!(
                path = %super::error::shown(&entry.path),
                attribute = %super::error::shown(name),
                "left out an attribute of overlay's own"
            );
            continue;
        }
        match set(name, value) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::PERM) => tracing::warn!(
                path = %super::error::shown(&entry.path),
                attribute = %super::error::shown(name),
                "left out an attribute that cannot be set here"
            ),
            Err(error) => return Err(failed("set an extended attribute")(error)),
        }
    }
    Ok(())
}

/// The same time for access and modification.
pub(super) fn times(time: Timestamp) -> Timestamps {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanos.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
