//! `COPY` and `WORKDIR` on trees.

mod archive;
mod entry;
mod parents;
mod place;

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

use gantry_dockerfile::{Mode, Origin, Patterns, TransferStep};
use rustix::fs::{FileType, OFlags, Stat, fstat};
use rustix::io::Errno;

use crate::select::select;
use crate::tree::names;
use crate::{CopyError, Owner, Tree};
pub(crate) use archive::is_archive;
use place::Place;

/// The permissions of directories that are made on the way.
const MADE_MODE: u32 = 0o755;

/// Makes a directory and its parents, unless they are there: `WORKDIR`.
///
/// # Errors
/// A user the tree does not know; what the kernel refuses.
pub fn make_directory(path: &str, user: &str, tree: &Tree) -> Result<(), CopyError> {
    let owner = if user.is_empty() {
        Owner::default()
    } else {
        Owner::parse(user, tree)?
    };
    place::make(tree, path, owner, MADE_MODE).map(|_| ())
}

/// Does a `COPY` or an `ADD` from one tree to another. Sources are names in the tree: addresses are
/// none.
///
/// # Errors
/// The first file that cannot be copied; a part may be copied then.
pub fn copy(step: &TransferStep, from: &Tree, to: &Tree) -> Result<(), CopyError> {
    let mut copier = Copier::new(step, to)?;
    for source in &step.sources {
        if step.parents {
            copier.with_parents(from, source)?;
            continue;
        }
        for path in select(from, source)? {
            copier.source(from, &path)?;
        }
    }
    for (name, body) in &step.documents {
        copier.document(name, body)?;
    }
    Ok(())
}

/// Copies what is in a directory of one tree to the root of another, owners included.
///
/// # Errors
/// As [`copy`].
pub(crate) fn contents(from: &Tree, path: &str, to: &Tree) -> Result<(), CopyError> {
    let mut copier = Copier {
        to,
        destination: "/",
        owner: None,
        keeps_owners: true,
        unpacks: false,
        mode: None,
        exclude: Patterns::default(),
        links: HashMap::new(),
    };
    copier.source(from, path)
}

/// Copies one file of a tree by its name, as an `ADD` of an address: it is unpacked only if that is
/// asked for.
///
/// # Errors
/// As [`copy`].
pub(crate) fn fetched(
    step: &TransferStep,
    (from, name): (&Tree, &str),
    to: &Tree,
) -> Result<(), CopyError> {
    let mut copier = Copier::new(step, to)?;
    copier.unpacks = step.unpack == Some(true);
    copier.source(from, &format!("/{name}"))
}

/// A copy under way.
pub(crate) struct Copier<'a> {
    to: &'a Tree,
    destination: &'a str,
    owner: Option<Owner>,
    /// Whether files keep their owners: those of the context belong to whoever sent them.
    keeps_owners: bool,
    /// Whether archives are unpacked.
    unpacks: bool,
    mode: Option<&'a Mode>,
    exclude: Patterns,
    /// Files with several names that were copied, by device and inode: where the copy is.
    links: HashMap<(u64, u64), (OwnedFd, Vec<u8>)>,
}

/// A file or directory to copy: its descriptor, what it is, and its path in messages.
pub(crate) struct Item<'a> {
    file: OwnedFd,
    stat: Stat,
    path: &'a str,
}

impl<'a> Copier<'a> {
    fn new(step: &'a TransferStep, to: &'a Tree) -> Result<Self, CopyError> {
        let owner = match &step.chown {
            Some(chown) => Some(Owner::parse(chown, to)?),
            None => None,
        };
        Ok(Self {
            to,
            destination: &step.destination,
            owner,
            keeps_owners: step.origin != Origin::Context,
            unpacks: step.is_add && step.unpack != Some(false),
            mode: step.chmod.as_ref(),
            exclude: Patterns::new(step.exclude.iter().map(String::as_str))?,
            links: HashMap::new(),
        })
    }

    /// The permissions of directories on the way; a symbolic mode is for what is copied only.
    fn made_mode(&self) -> u32 {
        self.mode.and_then(Mode::octal).unwrap_or(MADE_MODE)
    }

    fn owner_of(&self, stat: &Stat) -> Owner {
        let own = Owner {
            uid: stat.st_uid,
            gid: stat.st_gid,
        };
        self.owner.unwrap_or(if self.keeps_owners {
            own
        } else {
            Owner::default()
        })
    }

    /// Opens a directory on the way, made where it is missing.
    fn make(&self, path: &str) -> Result<OwnedFd, CopyError> {
        place::make(
            self.to,
            path,
            self.owner.unwrap_or_default(),
            self.made_mode(),
        )
    }

    fn mode_of(&self, stat: &Stat) -> u32 {
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let bits = stat.st_mode & 0o7777;
        self.mode
            .map_or(bits, |mode| mode.apply(bits, is_directory))
    }

    /// Copies a file, or what is in a directory; a link is followed.
    fn source(&mut self, from: &Tree, path: &str) -> Result<(), CopyError> {
        let file = match from.at(path, OFlags::PATH) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(CopyError::NotFound(path.to_owned())),
            Err(Errno::LOOP) => return Err(CopyError::TooManyLinks(path.to_owned())),
            Err(error) => return Err(CopyError::read(path, error)),
        };
        let stat = fstat(&file).map_err(|error| CopyError::read(path, error))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let directory = from
                .directory(path)
                .map_err(|error| CopyError::read(path, error))?;
            let target = self.make(self.destination)?;
            return self.contents(&directory, &target, path, "");
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        if self.exclude.matches(name) {
            return Ok(());
        }
        let item = Item { file, stat, path };
        let is_file = FileType::from_raw_mode(item.stat.st_mode) == FileType::RegularFile;
        if self.unpacks && is_file && self.unpack(entry::reopen(&item)?, path)? {
            return Ok(());
        }
        let place = self.place(name)?;
        self.entry(&item, &place)
    }

    /// Where a single file goes: into a directory, or to a name, links followed.
    fn place(&self, name: &str) -> Result<Place, CopyError> {
        let destination = self.destination;
        let is_directory = destination.ends_with('/') || self.to.directory(destination).is_ok();
        if is_directory {
            let directory = self.make(destination)?;
            let path = format!("{}/{name}", destination.trim_end_matches('/'));
            return Ok(Place::new(directory, name.as_bytes().to_vec(), path));
        }
        place::resolve(self.to, destination, |path| self.make(path))
    }

    fn document(&mut self, name: &str, body: &str) -> Result<(), CopyError> {
        let place = self.place(name)?;
        let mode = self.mode.map_or(0o644, |mode| mode.apply(0o644, false));
        place.write(body.as_bytes(), self.owner.unwrap_or_default(), mode)
    }

    /// Copies what is in a directory; `within` is its path in what is copied, for exclusion.
    fn contents(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        path: &str,
        within: &str,
    ) -> Result<(), CopyError> {
        let list = names(from.as_fd()).map_err(|error| CopyError::read(path, error))?;
        for name in list {
            let shown = String::from_utf8_lossy(&name).into_owned();
            let inside = join(within, &shown);
            let is_excluded = self.exclude.matches(&inside);
            let full = join(path, &shown);
            let item = entry::open(from, &name, &full)?;
            let is_directory = FileType::from_raw_mode(item.stat.st_mode) == FileType::Directory;
            if is_excluded && !(is_directory && self.exclude.has_exceptions()) {
                continue;
            }
            let place = Place::of(to, name, full.clone())?;
            if is_directory {
                self.directory(from, &item, &place, &inside)?;
            } else {
                self.entry(&item, &place)?;
            }
        }
        Ok(())
    }

    /// Copies a directory; one that is there keeps its owner and mode.
    fn directory(
        &mut self,
        parent: &OwnedFd,
        item: &Item<'_>,
        place: &Place,
        inside: &str,
    ) -> Result<(), CopyError> {
        let source = entry::directory(parent, place.name(), item.path)?;
        let (target, is_new) = place.directory()?;
        self.contents(&source, &target, item.path, inside)?;
        if is_new {
            let (owner, mode) = (self.owner_of(&item.stat), self.mode_of(&item.stat));
            entry::finish(&source, &target, item, owner, mode)?;
        }
        Ok(())
    }
}

fn join(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        "/" => format!("/{name}"),
        directory => format!("{directory}/{name}"),
    }
}
