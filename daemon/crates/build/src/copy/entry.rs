//! One file: its bytes, link, device or other nature, and its attributes.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chownat,
    fgetxattr, flistxattr, fsetxattr, fstat, futimens, linkat, mknodat, openat, readlinkat,
    symlinkat, utimensat,
};
use rustix::io::Errno;

use super::place::{Place, own};
use super::{Copier, Item};
use crate::{CopyError, Owner};

/// What is copied through memory, bytes.
const SMALL_BYTES: usize = 64 << 10;

/// The largest attribute value the kernel has (`XATTR_SIZE_MAX`), and room for names.
const XATTR_MAX_BYTES: usize = 64 << 10;

/// Opens an entry of a directory without following it.
pub(super) fn open<'a>(
    directory: &OwnedFd,
    name: &[u8],
    path: &'a str,
) -> Result<Item<'a>, CopyError> {
    let fault = |error: Errno| CopyError::read(path, error);
    let name = Path::new(std::ffi::OsStr::from_bytes(name));
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).map_err(fault)?;
    let stat = fstat(&file).map_err(fault)?;
    Ok(Item { file, stat, path })
}

/// Opens a directory in a directory.
pub(super) fn directory(parent: &OwnedFd, name: &[u8], path: &str) -> Result<OwnedFd, CopyError> {
    let name = Path::new(std::ffi::OsStr::from_bytes(name));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty()).map_err(|error| CopyError::read(path, error))
}

/// Gives a copied directory its owner, mode, attributes and time.
pub(super) fn finish(
    source: &OwnedFd,
    target: &OwnedFd,
    item: &Item<'_>,
    owner: Owner,
    mode: u32,
) -> Result<(), CopyError> {
    let done = attributes(source.as_fd(), target.as_fd())
        .and_then(|()| own(target, owner, mode))
        .and_then(|()| futimens(target, &times(&item.stat)));
    done.map_err(|error| CopyError::write(item.path, error))
}

impl Copier<'_> {
    /// Copies anything but a directory.
    pub(super) fn entry(&mut self, item: &Item<'_>, place: &Place) -> Result<(), CopyError> {
        let kind = FileType::from_raw_mode(item.stat.st_mode);
        if kind == FileType::RegularFile && item.stat.st_nlink > 1 && self.link(item, place)? {
            return Ok(());
        }
        match kind {
            FileType::RegularFile => self.file(item, place),
            FileType::Symlink => self.symlink(item, place),
            // A socket is nothing without its program.
            FileType::Socket => Ok(()),
            _ => self.special(item, kind, place),
        }
    }

    /// Makes a further name of a file that was copied under another one.
    fn link(&mut self, item: &Item<'_>, place: &Place) -> Result<bool, CopyError> {
        let key = (item.stat.st_dev, item.stat.st_ino);
        if let Some((directory, name)) = self.links.get(&key) {
            place.clear()?;
            let name = Path::new(std::ffi::OsStr::from_bytes(name));
            linkat(
                directory,
                name,
                place.parent(),
                place.file_name(),
                AtFlags::empty(),
            )
            .map_err(|error| place.fault(error))?;
            return Ok(true);
        }
        let directory = place
            .parent()
            .try_clone()
            .map_err(|error| place.fault(error))?;
        self.links.insert(key, (directory, place.name().to_vec()));
        Ok(false)
    }

    fn file(&self, item: &Item<'_>, place: &Place) -> Result<(), CopyError> {
        let mut source = reopen(item)?;
        let mut target = place.create()?;
        bytes(&mut source, &mut target, &item.stat).map_err(|error| place.fault(error))?;
        // The owner first: attributes such as capabilities do not outlive a new one.
        let mode = self.mode_of(&item.stat);
        own(&target, self.owner_of(&item.stat), mode)
            .and_then(|()| attributes(source.as_fd(), target.as_fd()))
            .and_then(|()| futimens(&target, &times(&item.stat)))
            .map_err(|error| place.fault(error))
    }

    fn symlink(&self, item: &Item<'_>, place: &Place) -> Result<(), CopyError> {
        let target = readlinkat(&item.file, "", Vec::new())
            .map_err(|error| CopyError::read(item.path, error))?;
        place.clear()?;
        symlinkat(&target, place.parent(), place.file_name())
            .map_err(|error| place.fault(error))?;
        self.own_name(item, place)
    }

    fn special(&self, item: &Item<'_>, kind: FileType, place: &Place) -> Result<(), CopyError> {
        place.clear()?;
        let mode = Mode::from_raw_mode(self.mode_of(&item.stat));
        mknodat(
            place.parent(),
            place.file_name(),
            kind,
            mode,
            item.stat.st_rdev,
        )
        .map_err(|error| place.fault(error))?;
        self.own_name(item, place)
    }

    /// Owner and time of what cannot be opened.
    fn own_name(&self, item: &Item<'_>, place: &Place) -> Result<(), CopyError> {
        let owner = self.owner_of(&item.stat);
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        let (parent, name, flags) = (place.parent(), place.file_name(), AtFlags::SYMLINK_NOFOLLOW);
        chownat(parent, name, Some(uid), Some(gid), flags)
            .and_then(|()| utimensat(parent, name, &times(&item.stat), flags))
            .map_err(|error| place.fault(error))
    }
}

/// Copies a file's bytes: small ones by two calls, others within the kernel.
fn bytes(source: &mut File, target: &mut File, stat: &Stat) -> std::io::Result<()> {
    match usize::try_from(stat.st_size) {
        Ok(length) if length <= SMALL_BYTES => {
            // One more than there is, so that the end is seen without another buffer.
            let mut bytes = Vec::with_capacity(length + 1);
            source.read_to_end(&mut bytes)?;
            target.write_all(&bytes)
        }
        _ => std::io::copy(source, target).map(drop),
    }
}

/// Opens for reading what is open as a place only.
pub(super) fn reopen(item: &Item<'_>) -> Result<File, CopyError> {
    let path = format!("/proc/self/fd/{}", item.file.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty());
    file.map(File::from)
        .map_err(|error| CopyError::read(item.path, error))
}

fn times(stat: &Stat) -> Timestamps {
    let modified = Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
    };
    Timestamps {
        last_access: modified,
        last_modification: modified,
    }
}

/// Copies extended attributes, but those that belong to an overlay.
fn attributes(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    let mut list = vec![0; XATTR_MAX_BYTES];
    let length = match flistxattr(&from, &mut list[..]) {
        Err(Errno::OPNOTSUPP) | Ok(0) => return Ok(()),
        other => other?,
    };
    let mut value = vec![0; XATTR_MAX_BYTES];
    let names = list[..length].split(|byte| *byte == 0);
    for name in names.filter(|name| !name.is_empty()) {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            continue;
        }
        let length = fgetxattr(&from, name, &mut value[..])?;
        match fsetxattr(&to, name, &value[..length], XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
