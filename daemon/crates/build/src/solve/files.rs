//! The digest of the files that a step reads: names, kinds, modes, contents, links; never times.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gantry_dockerfile::Patterns;
use gantry_ids::Digest;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat, readlinkat};
use sha2::Digest as _;

use super::key::Hasher;
use crate::pivot::Pivot;
use crate::select::select;
use crate::tree::names;
use crate::{CopyError, Tree};

/// How deep directories may lie.
const DEPTH_MAX: usize = 256;

/// Takes the digest of what sources name in a tree.
pub(super) struct Reader<'a> {
    /// The tree.
    pub(super) tree: &'a Tree,
    /// What is left out, relative to each source.
    pub(super) exclude: Patterns,
    /// Whether owners count: those of the context do not.
    pub(super) owners: bool,
}

/// What `COPY --parents` takes, on its way through a tree.
struct Taken<'a> {
    pivot: &'a Pivot,
    /// The directories above, with their paths; those that are in the digest already are gone.
    above: Vec<Option<(String, OwnedFd)>>,
    hasher: &'a mut Hasher,
}

impl Reader<'_> {
    /// The digest of all sources of `COPY --parents`, paths included.
    pub(super) fn with_parents(&self, sources: &[String]) -> Result<Digest, CopyError> {
        let mut hasher = Hasher::new("parents");
        for source in sources {
            let pivot = Pivot::parse(source)?;
            pivot.check(self.tree)?;
            for root in select(self.tree, pivot.root())? {
                let Ok(directory) = self.tree.directory(&root) else {
                    self.source(&root, &mut hasher)?;
                    continue;
                };
                let mut taken = Taken {
                    pivot: &pivot,
                    above: Vec::new(),
                    hasher: &mut hasher,
                };
                self.taken(&directory, (&root, ""), &mut taken)?;
            }
            hasher.part("end");
        }
        Ok(hasher.finish())
    }

    fn taken(
        &self,
        directory: &OwnedFd,
        (path, within): (&str, &str),
        taken: &mut Taken<'_>,
    ) -> Result<(), CopyError> {
        let fault = |error| CopyError::read(path, error);
        if taken.above.len() > DEPTH_MAX {
            return Err(fault(rustix::io::Errno::NAMETOOLONG));
        }
        for name in names(directory.as_fd()).map_err(fault)? {
            let shown = String::from_utf8_lossy(&name);
            let inside = format!("{within}/{shown}");
            let inside = inside.trim_start_matches('/');
            let full = format!("{}/{shown}", path.trim_end_matches('/'));
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file_name = Path::new(std::ffi::OsStr::from_bytes(&name));
            let file = openat(directory, file_name, flags, Mode::empty()).map_err(fault)?;
            let stat = fstat(&file).map_err(fault)?;
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let is_excluded = self.exclude.matches(inside);
            if is_excluded && !(is_directory && self.exclude.has_exceptions()) {
                continue;
            }
            taken.above.push(Some((inside.to_owned(), file)));
            if taken.pivot.takes(inside) && !is_excluded {
                for (inside, file) in taken.above.iter_mut().filter_map(Option::take) {
                    taken.hasher.part(&inside);
                    self.entry(&file, &full, taken.hasher)?;
                }
            }
            if is_directory && taken.pivot.leads(inside)? {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner = openat(directory, file_name, flags, Mode::empty()).map_err(fault)?;
                self.taken(&inner, (&full, inside), taken)?;
            }
            taken.above.pop();
        }
        Ok(())
    }

    /// The digest of all sources; those with wildcards may name nothing.
    pub(super) fn sources(&self, sources: &[String]) -> Result<Digest, CopyError> {
        let mut hasher = Hasher::new("files");
        for source in sources {
            let paths = select(self.tree, source)?;
            hasher.number(paths.len() as u64);
            for path in paths {
                self.source(&path, &mut hasher)?;
            }
        }
        Ok(hasher.finish())
    }

    fn source(&self, path: &str, hasher: &mut Hasher) -> Result<(), CopyError> {
        let file = match self.tree.at(path, OFlags::PATH) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {
                return Err(CopyError::NotFound(path.to_owned()));
            }
            Err(rustix::io::Errno::LOOP) => return Err(CopyError::TooManyLinks(path.to_owned())),
            Err(error) => return Err(CopyError::read(path, error)),
        };
        let stat = fstat(&file).map_err(|error| CopyError::read(path, error))?;
        let name = path.rsplit('/').next().unwrap_or(path);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let directory = self
                .tree
                .directory(path)
                .map_err(|error| CopyError::read(path, error))?;
            hasher.part("tree");
            return self.directory(&directory, (path, "", 0), hasher);
        }
        hasher.part("file").part(name);
        self.entry(&file, path, hasher)
    }

    fn directory(
        &self,
        directory: &OwnedFd,
        (path, within, depth): (&str, &str, usize),
        hasher: &mut Hasher,
    ) -> Result<(), CopyError> {
        let fault = |error| CopyError::read(path, error);
        if depth > DEPTH_MAX {
            return Err(fault(rustix::io::Errno::NAMETOOLONG));
        }
        for name in names(directory.as_fd()).map_err(fault)? {
            let shown = String::from_utf8_lossy(&name);
            let inside = match within {
                "" => shown.clone().into_owned(),
                within => format!("{within}/{shown}"),
            };
            let full = format!("{}/{shown}", path.trim_end_matches('/'));
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file_name = Path::new(std::ffi::OsStr::from_bytes(&name));
            let file = openat(directory, file_name, flags, Mode::empty()).map_err(fault)?;
            let stat = fstat(&file).map_err(fault)?;
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let is_excluded = self.exclude.matches(&inside);
            if is_excluded && !(is_directory && self.exclude.has_exceptions()) {
                continue;
            }
            hasher.part(&name);
            self.entry(&file, &full, hasher)?;
            if is_directory {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner = openat(directory, file_name, flags, Mode::empty()).map_err(fault)?;
                self.directory(&inner, (&full, &inside, depth + 1), hasher)?;
                hasher.part("end");
            }
        }
        Ok(())
    }

    fn entry(&self, file: &OwnedFd, path: &str, hasher: &mut Hasher) -> Result<(), CopyError> {
        let fault = |error: std::io::Error| CopyError::read(path, error);
        let stat = fstat(file).map_err(|error| fault(error.into()))?;
        hasher.number(u64::from(stat.st_mode));
        if self.owners {
            hasher.number(u64::from(stat.st_uid));
            hasher.number(u64::from(stat.st_gid));
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                hasher.part(content(file).map_err(fault)?);
            }
            FileType::Symlink => {
                let target = readlinkat(file, "", Vec::new());
                hasher.part(target.map_err(|error| fault(error.into()))?.to_bytes());
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                hasher.number(stat.st_rdev);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The digest of a file's bytes and of its attributes that a layer keeps.
fn content(file: &OwnedFd) -> std::io::Result<[u8; 32]> {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    let mut file = File::open(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
    }
    let mut value = [0; 256];
    if let Ok(length) = rustix::fs::fgetxattr(&file, "security.capability", &mut value[..]) {
        hasher.update(&value[..length]);
    }
    Ok(hasher.finalize().into())
}
