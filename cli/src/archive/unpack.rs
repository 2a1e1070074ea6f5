//! Lays an archive out beneath a folder.
//!
//! The archive may be hostile. Every path is resolved from the folder's descriptor with
//! RESOLVE_BENEATH, so that neither `..` nor a symbolic link of the archive itself leads out of it;
//! what is there already is replaced, never written through. Set-uid bits are kept only together
//! with the owner; device nodes are left out.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, fchmod,
    linkat, mkdirat, mknodat, openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use super::rename_top;

/// How entries are named and whom they belong to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    /// The top entry's new name.
    pub(crate) top: Option<String>,
    /// The archive is that of `/`.
    pub(crate) whole: bool,
    /// Keep owners and set-uid bits.
    pub(crate) owners: bool,
}

/// Lays out `archive` in `folder`; returns what was left out.
pub(crate) fn unpack(archive: impl Read, folder: &Path, layout: &Layout) -> Result<Vec<String>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())
        .map_err(io::Error::from)
        .with_context(|| format!("open {}", folder.display()))?;
    let mut unpacker = Unpacker {
        root,
        layout,
        left_out: Vec::new(),
        folders: Vec::new(),
    };
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = rename_top(&name, layout.top.as_deref(), layout.whole);
        let path = relative(Path::new(&name))?;
        unpacker
            .entry(&mut entry, &path)
            .with_context(|| format!("extracting {name}"))?;
    }
    unpacker.finish()?;
    Ok(unpacker.left_out)
}

/// A path without `.`, and never with `..`.
fn relative(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                bail!("{} leads out of the archive", path.display())
            }
        }
    }
    Ok(clean)
}

struct Unpacker<'a> {
    root: OwnedFd,
    layout: &'a Layout,
    left_out: Vec<String>,
    /// Modes and times of folders, set last: a read-only folder must be filled first.
    folders: Vec<(PathBuf, Mode, Timestamps)>,
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>, path: &Path) -> Result<()> {
        let kind = entry.header().entry_type();
        let Some(name) = path.file_name() else {
            // The folder itself.
            return Ok(());
        };
        let parent = self.open_parent(path)?;
        let parent = parent.as_fd();
        let existing = kind_at(parent, name);
        match kind {
            EntryType::Directory => return self.folder(entry, path, (parent, name)),
            EntryType::Char | EntryType::Block => {
                self.left_out
                    .push(format!("{} is a device", path.display()));
                return Ok(());
            }
            EntryType::XGlobalHeader => return Ok(()),
            _ => {}
        }
        if existing == Some(FileType::Directory) {
            bail!(
                "cannot overwrite directory \"{}\" with non-directory",
                path.display()
            );
        }
        if existing.is_some() {
            unlinkat(parent, name, AtFlags::empty())?;
        }
        match kind {
            EntryType::Symlink => symlinkat(link_target(entry)?, parent, name)?,
            EntryType::Link => return self.hard_link(entry, (parent, name)),
            EntryType::Fifo => mknodat(parent, name, FileType::Fifo, self.mode(entry)?, 0)?,
            _ => return self.file(entry, (parent, name)),
        }
        self.own(entry, (parent, name))?;
        Ok(utimensat(
            parent,
            name,
            &times(entry),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    fn open_parent(&self, path: &Path) -> Result<OwnedFd> {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        match self.open_folder(parent.unwrap_or(Path::new("."))) {
            Err(Errno::NOENT) => {
                // An archive may leave its folders out.
                let mut here = PathBuf::new();
                for part in parent.into_iter().flat_map(Path::components) {
                    let above = self.open_folder(if here.as_os_str().is_empty() {
                        Path::new(".")
                    } else {
                        &here
                    })?;
                    match mkdirat(&above, part.as_os_str(), Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => here.push(part),
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(self.open_folder(&here)?)
            }
            end => Ok(end?),
        }
    }

    fn open_folder(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    fn folder<R: Read>(
        &mut self,
        entry: &Entry<'_, R>,
        path: &Path,
        (parent, name): (BorrowedFd<'_>, &OsStr),
    ) -> Result<()> {
        match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) if kind_at(parent, name) == Some(FileType::Directory) => {}
            Err(Errno::EXIST) => {
                bail!(
                    "cannot overwrite non-directory \"{}\" with directory",
                    path.display()
                )
            }
            Err(error) => return Err(error.into()),
        }
        self.own(entry, (parent, name))?;
        self.folders
            .push((path.to_owned(), self.mode(entry)?, times(entry)));
        Ok(())
    }

    fn file<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        (parent, name): (BorrowedFd<'_>, &OsStr),
    ) -> Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let mut file = File::from(rustix::fs::openat(parent, name, flags, mode)?);
        io::copy(entry, &mut file)?;
        self.own(entry, (parent, name))?;
        fchmod(&file, self.mode(entry)?)?;
        Ok(rustix::fs::futimens(&file, &times(entry))?)
    }

    fn hard_link<R: Read>(
        &self,
        entry: &Entry<'_, R>,
        (parent, name): (BorrowedFd<'_>, &OsStr),
    ) -> Result<()> {
        let target = link_target(entry)?;
        let target = target.to_string_lossy();
        let target = rename_top(&target, self.layout.top.as_deref(), self.layout.whole);
        let target = relative(Path::new(&target))?;
        let Some(base) = target.file_name() else {
            bail!("a hard link to the folder itself")
        };
        let folder = self.open_parent(&target)?;
        Ok(linkat(&folder, base, parent, name, AtFlags::empty())?)
    }

    fn mode<R: Read>(&self, entry: &Entry<'_, R>) -> Result<Mode> {
        let kept = if self.layout.owners { 0o7777 } else { 0o1777 };
        Ok(Mode::from_raw_mode(entry.header().mode()? & kept))
    }

    fn own<R: Read>(
        &self,
        entry: &Entry<'_, R>,
        (parent, name): (BorrowedFd<'_>, &OsStr),
    ) -> Result<()> {
        if !self.layout.owners {
            return Ok(());
        }
        let header = entry.header();
        let (user, group) = (u32::try_from(header.uid()?)?, u32::try_from(header.gid()?)?);
        let owner = (
            rustix::fs::Uid::from_raw(user),
            rustix::fs::Gid::from_raw(group),
        );
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::chownat(
            parent,
            name,
            Some(owner.0),
            Some(owner.1),
            flags,
        )?)
    }

    fn finish(&mut self) -> Result<()> {
        // Innermost first: setting a folder's mode may close it.
        for (path, mode, times) in std::mem::take(&mut self.folders).into_iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let folder = openat2(&self.root, &path, flags, Mode::empty(), resolve)?;
            fchmod(&folder, mode)?;
            rustix::fs::futimens(&folder, &times)?;
        }
        Ok(())
    }
}

fn kind_at(parent: BorrowedFd<'_>, name: &OsStr) -> Option<FileType> {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

fn link_target<R: Read>(entry: &Entry<'_, R>) -> Result<OsString> {
    let target = entry.link_name_bytes().context("a link without a target")?;
    Ok(OsStr::from_bytes(&target).to_owned())
}

fn times<R: Read>(entry: &Entry<'_, R>) -> Timestamps {
    let seconds = entry
        .header()
        .mtime()
        .ok()
        .and_then(|time| i64::try_from(time).ok());
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds.unwrap_or(0),
            tv_nsec: 0,
        },
    }
}

#[cfg(test)]
mod tests;
