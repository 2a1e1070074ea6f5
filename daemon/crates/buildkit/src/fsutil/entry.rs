//! Entries that are not opened, and when one that is there can stay.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Mode, Stat as KernelStat};

use super::disk::{self, DiskError};
use super::{Stat, mode};

/// Whether a file that is there can stay.
pub(super) fn keeps(there: Option<&KernelStat>, stat: &Stat) -> bool {
    there.is_some_and(|there| {
        disk::is(there, FileType::RegularFile)
            // With another name it might get that one's contents.
            && there.st_nlink == 1
            && there.st_size == stat.size
            && disk::modified_ns(there) == stat.mod_time
            && there.st_mode & 0o7777 == mode::permissions(stat.mode)
            && (there.st_uid, there.st_gid) == (stat.uid, stat.gid)
            && stat.xattrs.is_empty()
    })
}

/// Makes a link, unless it is there already; whether it did.
pub(super) fn symlink(
    directory: BorrowedFd<'_>,
    name: &str,
    there: Option<&KernelStat>,
    stat: &Stat,
) -> Result<bool, DiskError> {
    let is_same = there.is_some_and(|there| {
        disk::is(there, FileType::Symlink) && disk::modified_ns(there) == stat.mod_time
    });
    if is_same {
        let target = rustix::fs::readlinkat(directory, name, Vec::new())
            .map_err(DiskError::of("read", &stat.path))?;
        if target.to_bytes() == stat.linkname.as_bytes() {
            return Ok(false);
        }
    }
    disk::remove(directory, name.as_bytes())?;
    rustix::fs::symlinkat(&stat.linkname, directory, name)
        .map_err(DiskError::of("make the link", &stat.path))?;
    after_making(directory, name, stat)?;
    Ok(true)
}

/// Makes a named pipe.
pub(super) fn fifo(directory: BorrowedFd<'_>, name: &str, stat: &Stat) -> Result<(), DiskError> {
    disk::remove(directory, name.as_bytes())?;
    let mode = Mode::from_raw_mode(mode::permissions(stat.mode));
    rustix::fs::mknodat(directory, name, FileType::Fifo, mode, 0)
        .map_err(DiskError::of("make the pipe", &stat.path))?;
    rustix::fs::chmodat(directory, name, mode, AtFlags::empty())
        .map_err(DiskError::of("set the mode of", &stat.path))?;
    after_making(directory, name, stat)
}

/// Owner and time of an entry that is not opened.
fn after_making(directory: BorrowedFd<'_>, name: &str, stat: &Stat) -> Result<(), DiskError> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    if stat.uid != 0 || stat.gid != 0 {
        let (uid, gid) = disk::owner(stat);
        rustix::fs::chownat(directory, name, Some(uid), Some(gid), flags)
            .map_err(DiskError::of("own", &stat.path))?;
    }
    rustix::fs::utimensat(directory, name, &disk::times(stat.mod_time), flags)
        .map_err(DiskError::of("set times of", &stat.path))
}
