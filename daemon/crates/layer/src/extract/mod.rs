//! Applying a layer's tar to a directory.
//!
//! Security code: every entry is hostile. Owns what an entry means on a file system, in the form
//! overlay wants it: whiteouts become devices 0:0, opaque markers an attribute. Nothing is made,
//! read, linked or changed but beneath the descriptor of the layer's root, with the kernel resolving
//! every path; the layer's directory is private to the engine while this runs. Deliberately not
//! here: the tar format (`tar`), where the directory lies and when it becomes a layer (`store`).

pub(crate) mod attributes;
mod cursor;
pub(crate) mod error;
mod make;
pub(crate) mod path;

use std::fs::File;
use std::io::{self, BufRead};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{ResolveFlags, futimens};
use rustix::io::Errno;

use attributes::Defaults;
use cursor::Cursor;
pub use error::{EntryError, ExtractError};

use crate::Limits;
use crate::recipe::RecipeWriter;
use crate::tar::{Entry, TarReader, Timestamp};

/// The directory that one layer is extracted to.
#[derive(Debug)]
pub(crate) struct Target {
    /// The root of the layer's files, empty.
    pub(crate) root: OwnedFd,
    /// The directory that replaced files are moved to (`kept`), empty, on the same file system.
    pub(crate) kept: OwnedFd,
    /// Where the recipe is written.
    pub(crate) recipe: File,
}

/// What an extraction made.
#[derive(Debug)]
pub(crate) struct Extracted {
    /// Bytes of content in regular files and of symbolic links' targets.
    pub(crate) content_bytes: u64,
    /// Whether the whole layer hides those beneath it.
    pub(crate) opaque_root: bool,
    /// Files and directories that were replaced and kept.
    pub(crate) kept: u64,
    /// Directories that no entry describes, sorted.
    pub(crate) implied: Vec<Vec<u8>>,
    /// The recipe, not yet ended: the digest is known only to who read the source.
    pub(crate) recipe: RecipeWriter,
}

/// Applies one tar.
pub(super) struct Extractor {
    cursor: Cursor,
    kept_dir: OwnedFd,
    kept: u64,
    defaults: Defaults,
    limits: Limits,
    content_bytes: u64,
    opaque_root: bool,
    /// Whether a directory with the set-group bit was made: only then can new files inherit a group.
    set_group_seen: bool,
    directory_times: Vec<(Box<[u8]>, Timestamp)>,
    directory_bytes: usize,
}

type Tar<R> = TarReader<R, RecipeWriter>;

/// Reads a whole tar from `source` into `target`.
///
/// # Errors
/// [`ExtractError`]; the target then holds a part of the layer and must be removed.
pub(crate) fn extract<R: BufRead>(
    source: R,
    target: Target,
    limits: Limits,
) -> Result<Extracted, ExtractError> {
    let layer = |step| move |source: io::Error| ExtractError::Layer { step, source };
    let recipe = RecipeWriter::new(target.recipe).map_err(layer("start its recipe"))?;
    let mut tar = TarReader::new(source, recipe, limits);
    let mut extractor = Extractor {
        cursor: Cursor::new(target.root).map_err(layer("open its root"))?,
        kept_dir: target.kept,
        kept: 0,
        defaults: Defaults::of_process().map_err(layer("read the process's umask"))?,
        limits,
        content_bytes: 0,
        opaque_root: false,
        set_group_seen: false,
        directory_times: Vec::new(),
        directory_bytes: 0,
    };
    extractor.set_group_seen = extractor
        .cursor
        .gives_group()
        .map_err(layer("stat its root"))?;
    let mut after = String::new();
    loop {
        let entry = tar.next_entry().map_err(|source| ExtractError::Tar {
            after: std::mem::take(&mut after),
            source,
        })?;
        let Some(entry) = entry else { break };
        let shown = error::shown(&entry.path);
        extractor
            .apply(&entry, &mut tar)
            .map_err(|source| ExtractError::Entry {
                path: shown.clone(),
                source,
            })?;
        after = shown;
    }
    extractor
        .set_directory_times()
        .map_err(layer("set the times of its directories"))?;
    let (_, recipe) = tar.into_parts();
    Ok(extractor.finish(recipe))
}

impl Extractor {
    fn apply<R: BufRead>(&mut self, entry: &Entry, tar: &mut Tar<R>) -> Result<(), EntryError> {
        let path = path::clean(&entry.path).map_err(|_| EntryError::Escapes)?;
        if path::depth(&path) > self.limits.depth {
            return Err(EntryError::Limit {
                what: "depth",
                limit: self.limits.depth as u64,
            });
        }
        self.make(entry, &path, tar)
    }

    /// Remembers when a directory was modified; set at the end, because making things in it changes
    /// it.
    fn remember_time(&mut self, path: Vec<u8>, time: Timestamp) -> Result<(), EntryError> {
        self.directory_bytes += path.len() + size_of::<(Box<[u8]>, Timestamp)>();
        if self.directory_bytes > self.limits.directory_bytes {
            let limit = self.limits.directory_bytes as u64;
            return Err(EntryError::Limit {
                what: "memory for directories",
                limit,
            });
        }
        self.directory_times.push((path.into_boxed_slice(), time));
        Ok(())
    }

    fn set_directory_times(&mut self) -> io::Result<()> {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        for (path, time) in &self.directory_times {
            let times = attributes::times(*time);
            if path.is_empty() {
                futimens(self.cursor.root(), &times)?;
                continue;
            }
            match cursor::open_beneath(self.cursor.root(), path, beneath) {
                Ok(dir) => futimens(dir.as_fd(), &times)?,
                // Replaced by something else after it was made.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn finish(self, recipe: RecipeWriter) -> Extracted {
        Extracted {
            content_bytes: self.content_bytes,
            opaque_root: self.opaque_root,
            kept: self.kept,
            implied: self.cursor.implied.into_iter().collect(),
            recipe,
        }
    }
}
