//! `COPY --parents`: what a source names, with the directories above it.

use std::cell::OnceCell;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, OFlags, fstat};

use super::place::Place;
use super::{Copier, entry, join};
use crate::pivot::Pivot;
use crate::select::select;
use crate::tree::names;
use crate::{CopyError, Tree};

/// A directory of the destination, made when something comes to lie in it.
struct Level<'a> {
    above: Option<&'a Level<'a>>,
    name: Vec<u8>,
    path: String,
    /// The directory, and whether it was made now.
    made: OnceCell<(OwnedFd, bool)>,
}

impl Level<'_> {
    fn open(&self) -> Result<&OwnedFd, CopyError> {
        if let Some((directory, _)) = self.made.get() {
            return Ok(directory);
        }
        let above = self.above.expect("the topmost directory is open").open()?;
        let made = Place::of(above, self.name.clone(), self.path.clone())?.directory()?;
        Ok(&self.made.get_or_init(|| made).0)
    }
}

impl Copier<'_> {
    /// Copies what a source names; the directories between its root and that are made like the
    /// ones they are copies of.
    pub(super) fn with_parents(&mut self, from: &Tree, source: &str) -> Result<(), CopyError> {
        let pivot = Pivot::parse(source)?;
        pivot.check(from)?;
        for root in select(from, pivot.root())? {
            let fault = |error| CopyError::read(&root, error);
            let file = from.at(&root, OFlags::PATH).map_err(fault)?;
            let stat = fstat(&file).map_err(fault)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                self.source(from, &root)?;
                continue;
            }
            let directory = from.directory(&root).map_err(fault)?;
            let target = self.make(self.destination)?;
            let top = Level {
                above: None,
                name: Vec::new(),
                path: self.destination.to_owned(),
                made: OnceCell::from((target, false)),
            };
            self.taken(&directory, &top, (&root, ""), &pivot)?;
        }
        Ok(())
    }

    fn taken(
        &mut self,
        from: &OwnedFd,
        to: &Level<'_>,
        (path, within): (&str, &str),
        pivot: &Pivot,
    ) -> Result<(), CopyError> {
        for name in names(from.as_fd()).map_err(|error| CopyError::read(path, error))? {
            let shown = String::from_utf8_lossy(&name).into_owned();
            let (inside, full) = (join(within, &shown), join(path, &shown));
            let item = entry::open(from, &name, &full)?;
            let is_directory = FileType::from_raw_mode(item.stat.st_mode) == FileType::Directory;
            let is_excluded = self.exclude.matches(&inside);
            if is_excluded && !(is_directory && self.exclude.has_exceptions()) {
                continue;
            }
            let is_taken = pivot.takes(&inside) && !is_excluded;
            if !is_directory {
                if is_taken {
                    let place = Place::of(to.open()?, name, full.clone())?;
                    self.entry(&item, &place)?;
                }
                continue;
            }
            if !pivot.leads(&inside)? {
                continue;
            }
            let source = entry::directory(from, &name, &full)?;
            let level = Level {
                above: Some(to),
                name,
                path: full.clone(),
                made: OnceCell::new(),
            };
            if is_taken {
                level.open()?;
            }
            self.taken(&source, &level, (&full, &inside), pivot)?;
            if let Some((target, true)) = level.made.get() {
                let (owner, mode) = (self.owner_of(&item.stat), self.mode_of(&item.stat));
                entry::finish(&source, target, &item, owner, mode)?;
            }
        }
        Ok(())
    }
}
