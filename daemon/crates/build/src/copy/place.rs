//! Where copies go: directories made on the way, names resolved through links, files written.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Uid, fchmod, fchown, mkdirat, openat, readlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::{CopyError, Owner, Tree};

/// How many links a destination may lead through, as in the kernel.
const MAX_LINKS: usize = 40;

/// A name in an open directory.
#[derive(Debug)]
pub(super) struct Place {
    directory: OwnedFd,
    name: Vec<u8>,
    path: String,
}

impl Place {
    pub(super) const fn new(directory: OwnedFd, name: Vec<u8>, path: String) -> Self {
        Self {
            directory,
            name,
            path,
        }
    }

    /// A name in a directory that stays open elsewhere.
    pub(super) fn of(directory: &OwnedFd, name: Vec<u8>, path: String) -> Result<Self, CopyError> {
        let directory = directory
            .try_clone()
            .map_err(|error| CopyError::write(&path, error))?;
        Ok(Self::new(directory, name, path))
    }

    pub(super) fn parent(&self) -> &OwnedFd {
        &self.directory
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn file_name(&self) -> &Path {
        Path::new(std::ffi::OsStr::from_bytes(&self.name))
    }

    pub(super) fn fault(&self, error: impl Into<std::io::Error>) -> CopyError {
        CopyError::write(&self.path, error)
    }

    /// Takes away what has the name, if it is no directory.
    pub(super) fn clear(&self) -> Result<(), CopyError> {
        match unlinkat(&self.directory, self.file_name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// A new, empty file of the name.
    pub(super) fn create(&self) -> Result<File, CopyError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let make = || openat(&self.directory, self.file_name(), flags, mode);
        // Nothing has the name as a rule.
        let file = match make() {
            Err(Errno::EXIST) => {
                self.clear()?;
                make()
            }
            made => made,
        };
        file.map(File::from).map_err(|error| self.fault(error))
    }

    /// A new file with bytes.
    pub(super) fn write(&self, bytes: &[u8], owner: Owner, mode: u32) -> Result<(), CopyError> {
        let mut file = self.create()?;
        file.write_all(bytes).map_err(|error| self.fault(error))?;
        own(&file, owner, mode).map_err(|error| self.fault(error))
    }

    /// The directory of the name, and whether it was made now.
    pub(super) fn directory(&self) -> Result<(OwnedFd, bool), CopyError> {
        let name = self.file_name();
        let is_new = match mkdirat(&self.directory, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(self.fault(error)),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(directory) => Ok((directory, is_new)),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(CopyError::NotDirectory(self.path.clone())),
            Err(error) => Err(self.fault(error)),
        }
    }
}

/// Sets owner and permissions, the owner first: a new owner takes away set-id bits.
pub(super) fn own(file: impl AsFd, owner: Owner, mode: u32) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    fchown(file.as_fd(), Some(uid), Some(gid))?;
    fchmod(file, Mode::from_raw_mode(mode))
}

/// Opens a directory, made with its parents where they are missing.
pub(super) fn make(tree: &Tree, path: &str, owner: Owner, mode: u32) -> Result<OwnedFd, CopyError> {
    let fault = |path: &str, error: Errno| CopyError::MakeDirectory {
        path: path.to_owned(),
        source: error.into(),
    };
    let mut made = String::new();
    let mut directory = tree.directory("/").map_err(|error| fault("/", error))?;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        made.push('/');
        made.push_str(part);
        directory = match tree.directory(&made) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => {
                let new = mkdirat(&directory, part, Mode::from_raw_mode(0o700));
                new.map_err(|error| fault(&made, error))?;
                let new = tree.directory(&made).map_err(|error| fault(&made, error))?;
                own(&new, owner, mode).map_err(|error| fault(&made, error))?;
                new
            }
            Err(Errno::NOTDIR) if path.trim_end_matches('/') == made && !path.ends_with('/') => {
                return Err(CopyError::NotDirectory(made));
            }
            Err(error) => return Err(fault(&made, error)),
        };
    }
    Ok(directory)
}

/// The place of a name whose last part may be a link to another.
pub(super) fn resolve(
    tree: &Tree,
    path: &str,
    make: impl Fn(&str) -> Result<OwnedFd, CopyError>,
) -> Result<Place, CopyError> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let directory = make(&format!("{parent}/"))?;
        let place = Place::new(directory, name.as_bytes().to_vec(), path.clone());
        let target = match readlinkat(&place.directory, place.file_name(), Vec::new()) {
            Ok(target) => target.to_string_lossy().into_owned(),
            Err(_) => return Ok(place),
        };
        path = match target.strip_prefix('/') {
            Some(_) => target,
            None => format!("{parent}/{target}"),
        };
        if tree.directory(&path).is_ok() {
            // A link to a directory is met as one before.
            return Err(CopyError::NotDirectory(path));
        }
    }
    Err(CopyError::TooManyLinks(path))
}
