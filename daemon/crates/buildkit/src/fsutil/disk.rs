//! Entries on disk, beneath one directory's descriptor.
//!
//! A path is a list of checked names; it is opened by the kernel with no link followed and no way
//! out (`openat2(2)`: `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`).

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat as KernelStat, Timespec, Timestamps,
    Uid, XattrFlags,
};
use rustix::io::Errno;

use super::{Stat, mode};

/// A call on an entry that failed.
#[derive(Debug, thiserror::Error)]
#[error("{what} {path:?}")]
pub struct DiskError {
    what: &'static str,
    path: String,
    #[source]
    error: Errno,
}

impl DiskError {
    /// Whether there was no room.
    pub(super) fn is_full(&self) -> bool {
        self.error == Errno::NOSPC
    }

    /// For `map_err`: what was done to which entry.
    pub(super) fn of<'a>(what: &'static str, path: &'a str) -> impl FnOnce(Errno) -> Self + 'a {
        move |error| Self {
            what,
            path: path.to_owned(),
            error,
        }
    }
}

/// Opens a path beneath a directory; no component may be a link.
pub(super) fn open(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, DiskError> {
    let path = if path.is_empty() { "." } else { path };
    let mode = if flags.contains(OFlags::CREATE) {
        Mode::from_raw_mode(0o600)
    } else {
        Mode::empty()
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    loop {
        match rustix::fs::openat2(root, path, flags, mode, resolve) {
            Err(Errno::AGAIN) => {}
            opened => return opened.map_err(DiskError::of("open", path)),
        }
    }
}

/// The directory of a path, opened, and the last name.
pub(super) fn parent<'a>(
    root: BorrowedFd<'_>,
    path: &'a str,
) -> Result<(OwnedFd, &'a str), DiskError> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    Ok((
        open(root, directory, OFlags::RDONLY | OFlags::DIRECTORY)?,
        name,
    ))
}

/// Opens a directory in another.
pub(super) fn directory(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, DiskError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(DiskError::of("open", name))
}

/// What a name is; none if there is nothing.
pub(super) fn look(parent: BorrowedFd<'_>, name: &str) -> Result<Option<KernelStat>, DiskError> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(DiskError::of("look at", name)(error)),
    }
}

/// The names in a directory, sorted; names that are not text are shown as near as can be.
pub(super) fn names(directory: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, DiskError> {
    let failed = || DiskError::of("list", "");
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Takes a name away, with everything beneath it. Nothing there is no error.
pub(super) fn remove(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), DiskError> {
    let shown = String::from_utf8_lossy(name);
    let failed = || DiskError::of("remove", &shown);
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(failed()(error)),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inner = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(failed())?;
    for name in names(inner.as_fd())? {
        remove(inner.as_fd(), &name)?;
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR).map_err(failed())
}

/// Gives a new file its owner, mode, attributes and time, in the order in which each survives.
pub(super) fn finish(file: &File, path: &str, stat: &Stat) -> Result<(), DiskError> {
    own(file.as_fd(), path, stat)?;
    for (name, value) in &stat.xattrs {
        let is_kept = name == "security.capability" || name.starts_with("user.");
        if is_kept {
            match rustix::fs::fsetxattr(file, name.as_str(), value, XattrFlags::empty()) {
                Ok(()) | Err(Errno::OPNOTSUPP) => {}
                Err(error) => return Err(DiskError::of("set an attribute of", path)(error)),
            }
        }
    }
    rustix::fs::futimens(file, &times(stat.mod_time)).map_err(DiskError::of("set times of", path))
}

/// Gives an open entry its owner and mode.
pub(super) fn own(file: BorrowedFd<'_>, path: &str, stat: &Stat) -> Result<(), DiskError> {
    if stat.uid != 0 || stat.gid != 0 {
        let (uid, gid) = owner(stat);
        rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(DiskError::of("own", path))?;
    }
    let mode = Mode::from_raw_mode(mode::permissions(stat.mode));
    rustix::fs::fchmod(file, mode).map_err(DiskError::of("set the mode of", path))
}

/// The owner an entry is to have.
pub(super) fn owner(stat: &Stat) -> (Uid, Gid) {
    (Uid::from_raw(stat.uid), Gid::from_raw(stat.gid))
}

/// The time of an entry; negative nanoseconds count down from 1970.
pub(super) const fn times(modified_ns: i64) -> Timestamps {
    const SECOND_NS: i64 = 1_000_000_000;
    let time = Timespec {
        tv_sec: modified_ns.div_euclid(SECOND_NS),
        tv_nsec: modified_ns.rem_euclid(SECOND_NS),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// The time of an entry on disk, nanoseconds since 1970.
pub(super) fn modified_ns(stat: &KernelStat) -> i64 {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// Whether an entry on disk is of a type.
pub(super) fn is(stat: &KernelStat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}
