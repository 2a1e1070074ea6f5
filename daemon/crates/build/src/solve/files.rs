//! The digest of the files that a step reads: names, kinds, modes, contents, links; never times.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use gantry_dockerfile::Patterns;
use gantry_ids::Digest;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;
use sha2::Digest as _;

use super::key::Hasher;
use crate::pivot::Pivot;
use crate::select::select;
use crate::tree::names;
use crate::{CopyError, Extent, Tree};

/// How much of a file is read at once, bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// How deep directories may lie.
const DEPTH_MAX: usize = 256;

/// Takes the digest of what sources name in a tree.
pub(super) struct Reader<'a> {
    /// The tree.
    tree: &'a Tree,
    /// What is left out, relative to each source.
    exclude: Patterns,
    /// Whether owners count: those of the context do not.
    owners: bool,
    /// What was read so far.
    extent: Cell<Extent>,
}

/// What `COPY --parents` takes, on its way through a tree.
struct Taken<'a> {
    pivot: &'a Pivot,
    /// The directories above, with their paths; those that are in the digest already are gone.
    above: Vec<Option<(String, OwnedFd)>>,
    hasher: &'a mut Hasher,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(tree: &'a Tree, exclude: Patterns, owners: bool) -> Self {
        Self {
            tree,
            exclude,
            owners,
            extent: Cell::new(Extent::new()),
        }
    }

    /// How large what was read is.
    pub(super) const fn extent(&self) -> Extent {
        self.extent.get()
    }
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
            return Err(fault(Errno::NAMETOOLONG));
        }
        for name in names(directory.as_fd()).map_err(fault)? {
            let child = Child::open(directory, &name, (path, within)).map_err(fault)?;
            let is_excluded = self.exclude.matches(&child.inside);
            if is_excluded && !(child.is_directory && self.exclude.has_exceptions()) {
                continue;
            }
            let (full, inside) = (child.full, child.inside);
            taken.above.push(Some((inside.clone(), child.file)));
            if taken.pivot.takes(&inside) && !is_excluded {
                for (inside, file) in taken.above.iter_mut().filter_map(Option::take) {
                    taken.hasher.part(&inside);
                    self.entry(&file, &full, taken.hasher)?;
                }
            }
            if child.is_directory && taken.pivot.leads(&inside)? {
                let inner = open_directory(directory, &name).map_err(fault)?;
                self.taken(&inner, (&full, &inside), taken)?;
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
            Err(Errno::NOENT | Errno::NOTDIR) => {
                return Err(CopyError::NotFound(path.to_owned()));
            }
            Err(Errno::LOOP) => return Err(CopyError::TooManyLinks(path.to_owned())),
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
            return Err(fault(Errno::NAMETOOLONG));
        }
        for name in names(directory.as_fd()).map_err(fault)? {
            let child = Child::open(directory, &name, (path, within)).map_err(fault)?;
            let is_excluded = self.exclude.matches(&child.inside);
            if is_excluded && !(child.is_directory && self.exclude.has_exceptions()) {
                continue;
            }
            hasher.part(&name);
            self.entry(&child.file, &child.full, hasher)?;
            if child.is_directory {
                let inner = open_directory(directory, &name).map_err(fault)?;
                self.directory(&inner, (&child.full, &child.inside, depth + 1), hasher)?;
                hasher.part("end");
            }
        }
        Ok(())
    }

    fn entry(&self, file: &OwnedFd, path: &str, hasher: &mut Hasher) -> Result<(), CopyError> {
        let fault = |error: std::io::Error| CopyError::read(path, error);
        let stat = fstat(file).map_err(|error| fault(error.into()))?;
        let mut extent = self.extent.get();
        extent.add(u64::try_from(stat.st_size).unwrap_or(0));
        self.extent.set(extent);
        hasher.number(u64::from(stat.st_mode));
        if self.owners {
            hasher.number(u64::from(stat.st_uid));
            hasher.number(u64::from(stat.st_gid));
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let digests = self.tree.digests();
                let known = digests.and_then(|digests| digests.get(&stat));
                let digest = match known {
                    Some(known) => known,
                    None => content(file, &stat).map_err(fault)?,
                };
                if let Some(digests) = digests.filter(|_| known.is_none()) {
                    digests.put(&stat, digest);
                }
                hasher.part(digest);
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

/// What lies in a directory under one name; nothing is followed.
struct Child {
    file: OwnedFd,
    is_directory: bool,
    /// Its path from where the walk began.
    inside: String,
    /// Its path in the tree.
    full: String,
}

impl Child {
    fn open(directory: &OwnedFd, name: &[u8], (path, within): (&str, &str)) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(directory, OsStr::from_bytes(name), flags, Mode::empty())?;
        let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
        let shown = String::from_utf8_lossy(name);
        Ok(Self {
            file,
            is_directory: kind == FileType::Directory,
            inside: match within {
                "" => shown.clone().into_owned(),
                within => format!("{within}/{shown}"),
            },
            full: format!("{}/{shown}", path.trim_end_matches('/')),
        })
    }
}

/// A directory in another, for its names.
fn open_directory(above: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(above, OsStr::from_bytes(name), flags, Mode::empty())
}

/// The digest of a file's bytes and of its attributes that a layer keeps.
fn content(file: &OwnedFd, stat: &Stat) -> std::io::Result<[u8; 32]> {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    let mut file = File::open(path)?;
    let mut hasher = sha2::Sha256::new();
    // No more than the file has, and one byte that sees its end.
    let length = usize::try_from(stat.st_size).unwrap_or(0).saturating_add(1);
    let mut buffer = vec![0; length.min(BUFFER_BYTES)];
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
