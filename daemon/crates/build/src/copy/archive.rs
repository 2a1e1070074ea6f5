//! `ADD` of an archive: a tar, plain or compressed, unpacked into the destination.
//!
//! The archive is hostile. Its names lead into the destination alone: `..` is refused, every parent is
//! resolved by the kernel within the stage's root, and nothing is made through a link.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use gantry_layer::{Entry, Kind, Limits, TarError, TarReader};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chownat, fsetxattr,
    futimens, linkat, makedev, mknodat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::place::{self, Place};
use super::{Copier, MADE_MODE};
use crate::{CopyError, Owner};

/// The most bytes an archive may become: more is a bomb.
const BYTES_MAX: u64 = 256 << 30;

/// How deep a directory may be that stands where a file is to be.
const DEPTH_MAX: usize = 256;

/// Attributes that are taken from an archive.
const ATTRIBUTES: [&[u8]; 2] = [b"security.capability", b"user."];

type Tar<'a> = TarReader<BufReader<Box<dyn io::Read + Send + 'a>>, ()>;

/// Whether a file begins as an archive does.
pub(crate) fn is_archive(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let Ok((_, reader)) = gantry_layer::decompress(file) else {
        return false;
    };
    let mut tar = TarReader::new(BufReader::new(reader), (), Limits::DEFAULT);
    matches!(tar.next_entry(), Ok(Some(_)))
}

impl Copier<'_> {
    /// Unpacks a file if it is an archive; answers whether it was one.
    pub(super) fn unpack(&self, file: File, path: &str) -> Result<bool, CopyError> {
        let broken = |source| CopyError::Archive {
            path: path.to_owned(),
            source,
        };
        let Ok((_, reader)) = gantry_layer::decompress(file) else {
            return Ok(false);
        };
        let limits = Limits {
            tar_bytes: BYTES_MAX,
            content_bytes: BYTES_MAX,
            ..Limits::DEFAULT
        };
        let mut tar = TarReader::new(BufReader::new(reader), (), limits);
        let first = match tar.next_entry() {
            Ok(Some(first)) => first,
            Err(error @ (TarError::Sparse(_) | TarError::Type(_) | TarError::Limit { .. })) => {
                return Err(broken(error));
            }
            // What does not begin as an archive does is a file like any other.
            Ok(None) | Err(_) => return Ok(false),
        };
        let mut unpacked = Unpacked {
            copier: self,
            archive: path,
            directories: Vec::new(),
        };
        unpacked.make_parent("")?;
        let mut next = Some(first);
        while let Some(entry) = next {
            unpacked.entry(&entry, &mut tar)?;
            next = tar.next_entry().map_err(broken)?;
        }
        unpacked.finish()?;
        Ok(true)
    }
}

/// An archive on its way.
struct Unpacked<'a> {
    copier: &'a Copier<'a>,
    archive: &'a str,
    /// Directories with their times, which making things in them changes.
    directories: Vec<(OwnedFd, Timestamps)>,
}

impl Unpacked<'_> {
    /// A directory of the destination, made with its parents where it is missing. `--chmod` concerns
    /// what is copied, not what is unpacked.
    fn make_parent(&self, within: &str) -> Result<OwnedFd, CopyError> {
        let destination = self.copier.destination.trim_end_matches('/');
        let owner = self.copier.owner.unwrap_or_default();
        place::make(
            self.copier.to,
            &format!("{destination}/{within}/"),
            owner,
            MADE_MODE,
        )
    }

    /// A name without `.` and slashes at its ends; none for the archive's own root.
    fn clean(&self, name: &[u8]) -> Result<String, CopyError> {
        let text = String::from_utf8_lossy(name).into_owned();
        let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
        let parts: Vec<&str> = parts.collect();
        if parts.contains(&"..") {
            return Err(CopyError::Entry {
                archive: self.archive.to_owned(),
                name: text.clone(),
            });
        }
        Ok(parts.join("/"))
    }

    fn place(&self, path: &str) -> Result<Place, CopyError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = self.make_parent(parent)?;
        Ok(Place::new(
            directory,
            name.as_bytes().to_vec(),
            path.to_owned(),
        ))
    }

    fn entry(&mut self, entry: &Entry, tar: &mut Tar<'_>) -> Result<(), CopyError> {
        let path = self.clean(&entry.path)?;
        if path.is_empty() {
            return Ok(());
        }
        let place = self.place(&path)?;
        let is_directory = entry.kind == Kind::Directory;
        if !is_directory || !is_directory_there(&place) {
            clear(&place)?;
        }
        let owner = self.copier.owner.unwrap_or(Owner {
            uid: entry.uid,
            gid: entry.gid,
        });
        match entry.kind {
            Kind::File => {
                let mut file = place.create()?;
                content(entry, tar, &mut file, &place)?;
                finish(&file, entry, owner).map_err(|error| place.fault(error))
            }
            Kind::Directory => {
                let (directory, _) = place.directory()?;
                finish(&directory, entry, owner).map_err(|error| place.fault(error))?;
                self.directories.push((directory, times(entry)));
                // Descriptors are few: the times of those that come first are set first.
                if self.directories.len() > DEPTH_MAX {
                    self.finish()?;
                }
                Ok(())
            }
            Kind::HardLink => self.link(entry, &place),
            Kind::Symlink => {
                let target = Path::new(std::ffi::OsStr::from_bytes(&entry.link));
                symlinkat(target, place.parent(), place.file_name())
                    .and_then(|()| own_name(&place, entry, owner))
                    .map_err(|error| place.fault(error))
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                let kind = match entry.kind {
                    Kind::CharDevice => FileType::CharacterDevice,
                    Kind::BlockDevice => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                let device = makedev(entry.device.0, entry.device.1);
                let mode = Mode::from_raw_mode(entry.mode);
                mknodat(place.parent(), place.file_name(), kind, mode, device)
                    .and_then(|()| own_name(&place, entry, owner))
                    .map_err(|error| place.fault(error))
            }
        }
    }

    fn link(&self, entry: &Entry, place: &Place) -> Result<(), CopyError> {
        let target = self.place(&self.clean(&entry.link)?)?;
        linkat(
            target.parent(),
            target.file_name(),
            place.parent(),
            place.file_name(),
            AtFlags::empty(),
        )
        .map_err(|error| place.fault(error))
    }

    fn finish(&mut self) -> Result<(), CopyError> {
        for (directory, times) in self.directories.drain(..) {
            futimens(&directory, &times).map_err(|error| CopyError::write(self.archive, error))?;
        }
        Ok(())
    }
}

fn is_directory_there(place: &Place) -> bool {
    let there = statat(place.parent(), place.file_name(), AtFlags::SYMLINK_NOFOLLOW);
    there.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Takes away what has the name, with everything in it.
fn clear(place: &Place) -> Result<(), CopyError> {
    match unlinkat(place.parent(), place.file_name(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => {
            remove(place.parent(), place.file_name(), 0).map_err(|error| place.fault(error))
        }
        Err(error) => Err(place.fault(error)),
    }
}

fn remove(parent: &OwnedFd, name: &Path, depth: usize) -> Result<(), Errno> {
    use rustix::fs::OFlags;
    if depth > DEPTH_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    for child in crate::tree::names(directory.as_fd())? {
        let child = Path::new(std::ffi::OsStr::from_bytes(&child));
        match unlinkat(&directory, child, AtFlags::empty()) {
            Err(Errno::ISDIR) => remove(&directory, child, depth + 1)?,
            other => other?,
        }
    }
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// The bytes of the current entry; what a sparse file lacks becomes holes.
fn content(
    entry: &Entry,
    tar: &mut Tar<'_>,
    file: &mut File,
    place: &Place,
) -> Result<(), CopyError> {
    let written = if entry.segments.is_some() {
        file.set_len(entry.size)
            .map_err(|error| place.fault(error))?;
        tar.pieces(|offset, piece| file.write_all_at(piece, offset))
    } else {
        tar.content(|piece| file.write_all(piece))
    };
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(place.fault(error)),
        Err(source) => Err(CopyError::Archive {
            path: place.file_name().display().to_string(),
            source,
        }),
    }
}

/// Owner, mode, attributes and time of what is open.
fn finish(file: impl AsFd, entry: &Entry, owner: Owner) -> Result<(), Errno> {
    // The owner first: attributes such as capabilities do not outlive a new one.
    place::own(file.as_fd(), owner, entry.mode)?;
    for (name, value) in &entry.xattrs {
        if !ATTRIBUTES.iter().any(|known| name.starts_with(known)) {
            continue;
        }
        match fsetxattr(&file, name.as_slice(), value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
    }
    futimens(file, &times(entry))
}

/// Owner and time of what cannot be opened.
fn own_name(place: &Place, entry: &Entry, owner: Owner) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    let (parent, name, flags) = (place.parent(), place.file_name(), AtFlags::SYMLINK_NOFOLLOW);
    chownat(parent, name, Some(uid), Some(gid), flags)?;
    utimensat(parent, name, &times(entry), flags)
}

fn times(entry: &Entry) -> Timestamps {
    let at = Timespec {
        tv_sec: entry.mtime.seconds,
        tv_nsec: i64::from(entry.mtime.nanos),
    };
    Timestamps {
        last_access: at,
        last_modification: at,
    }
}
