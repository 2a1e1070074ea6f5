//! Making what an entry describes, over whatever lies there.

use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, ftruncate, linkat, makedev, mkdirat,
    mknodat, openat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::attributes::{finish_directory, finish_file, finish_special, make_opaque};
use super::cursor::open_beneath;
use super::error::{EntryError, failed, shown};
use super::path::{clean, join, name_of, parent_of};
use super::{Extractor, Tar};
use crate::tar::{Entry, Kind};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE_MARKER: &[u8] = b".wh..wh..opq";
/// Other names with this prefix are AUFS's own books and mean nothing here.
const AUFS_PREFIX: &[u8] = b".wh..wh.";
/// The largest numbers the kernel has for devices (`MINORBITS`, include/linux/kdev_t.h).
const MAJOR_MAX: u32 = (1 << 12) - 1;
const MINOR_MAX: u32 = (1 << 20) - 1;

impl Extractor {
    /// Makes the entry at `path` (clean).
    pub(super) fn make<R: BufRead>(
        &mut self,
        entry: &Entry,
        path: &[u8],
        tar: &mut Tar<R>,
    ) -> Result<(), EntryError> {
        if path.is_empty() {
            return self.make_root(entry);
        }
        self.cursor
            .enter(parent_of(path))
            .map_err(failed("make its directory"))?;
        let name = name_of(path);
        if name == OPAQUE_MARKER {
            self.opaque_root |= self.cursor.path().is_empty();
            return make_opaque(self.cursor.dir());
        }
        if name.starts_with(AUFS_PREFIX) {
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            return self.make_whiteout(hidden);
        }
        match entry.kind {
            Kind::Directory => self.make_directory(entry, path, tar),
            Kind::File => self.make_file(entry, name, tar),
            Kind::HardLink => self.make_hard_link(entry, name, tar),
            Kind::Symlink => self.make_symlink(entry, name, tar),
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => self.make_node(entry, name, tar),
        }
    }

    /// The root exists: it only gets the entry's attributes, if the entry is a directory.
    fn make_root(&mut self, entry: &Entry) -> Result<(), EntryError> {
        match entry.kind {
            Kind::Directory => {
                finish_directory(self.cursor.root(), entry)?;
                self.cursor.implied.remove(&Vec::new());
                self.set_group_seen |= entry.mode & Mode::SGID.as_raw_mode() != 0;
                self.remember_time(Vec::new(), entry.mtime)
            }
            _ => Err(EntryError::Escapes),
        }
    }

    /// A whiteout hides what lower layers have under this name. It says nothing about what this
    /// layer has there (image-spec, "Whiteouts"): of a directory it hides the lower layers' part.
    fn make_whiteout(&self, hidden: &[u8]) -> Result<(), EntryError> {
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(EntryError::Whiteout);
        }
        let dir = self.cursor.dir();
        match mknodat(dir, hidden, FileType::CharacterDevice, Mode::empty(), 0) {
            Err(Errno::EXIST) => {}
            other => return other.map_err(failed("make a whiteout")),
        }
        let there = stat(dir, hidden)?;
        if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
            let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            make_opaque(open_beneath(dir, hidden, beneath).map_err(failed("open it"))?)?;
        }
        Ok(())
    }

    fn make_directory<R: BufRead>(
        &mut self,
        entry: &Entry,
        path: &[u8],
        tar: &mut Tar<R>,
    ) -> Result<(), EntryError> {
        let name = name_of(path);
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let mut hides = false;
        match mkdirat(self.cursor.dir(), name, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let there = stat(self.cursor.dir(), name)?;
                if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
                    hides = is_whiteout(&there);
                    self.replace(name, &there, tar)?;
                    mkdirat(self.cursor.dir(), name, mode).map_err(failed("make it"))?;
                }
            }
            Err(error) => return Err(failed("make it")(error)),
        }
        // Its own entries come next as a rule.
        self.cursor.enter(path).map_err(failed("open it"))?;
        finish_directory(self.cursor.dir(), entry)?;
        if hides {
            make_opaque(self.cursor.dir())?;
        }
        self.set_group_seen |= entry.mode & Mode::SGID.as_raw_mode() != 0;
        let real = self.cursor.path().to_vec();
        self.cursor.implied.remove(&real);
        self.remember_time(real, entry.mtime)
    }

    fn make_file<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        tar: &mut Tar<R>,
    ) -> Result<(), EntryError> {
        self.content_bytes = self.content_bytes.saturating_add(entry.size);
        if self.content_bytes > self.limits.content_bytes {
            let limit = self.limits.content_bytes;
            return Err(EntryError::Limit {
                what: "size of all files",
                limit,
            });
        }
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let flags = flags | OFlags::NOFOLLOW;
        let file = self.over(name, tar, |dir| openat(dir, name, flags, mode))?;
        if entry.size > 0 {
            write_content(&file, entry, tar)?;
            let path = join(self.cursor.path(), name);
            let tape = tar.tape();
            match &entry.segments {
                None => tape.content(&path, entry.size),
                Some(segments) => tape.segments(&path, segments),
            }
            .map_err(failed("write the layer's recipe"))?;
        }
        let inherits = self.set_group_seen
            && self
                .cursor
                .gives_group()
                .map_err(failed("stat its directory"))?;
        finish_file(file.as_fd(), entry, self.defaults, inherits)
    }

    fn make_hard_link<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        tar: &mut Tar<R>,
    ) -> Result<(), EntryError> {
        let escapes = |_| EntryError::LinkEscapes(shown(&entry.link));
        let target = clean(&entry.link).map_err(escapes)?;
        let no_target = || EntryError::NoTarget(shown(&entry.link));
        let (target_dir, real) = match self.cursor.open_parent(&target) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(no_target()),
            Err(error) => return Err(failed("find the link's target")(error)),
        };
        let target_name = name_of(&target);
        if target_name.is_empty() {
            return Err(no_target());
        }
        if real == self.cursor.path() && target_name == name {
            // A link to itself, which some archivers write for the first of several names.
            return stat(self.cursor.dir(), name)
                .map(drop)
                .map_err(|_| no_target());
        }
        let link =
            |dir: BorrowedFd<'_>| linkat(&target_dir, target_name, dir, name, AtFlags::empty());
        match self.over(name, tar, link) {
            Err(EntryError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(no_target())
            }
            other => other,
        }
    }

    fn make_symlink<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        tar: &mut Tar<R>,
    ) -> Result<(), EntryError> {
        // Wherever it leads, it is followed within the root.
        // Docker counts a link's length as its size.
        self.content_bytes = self.content_bytes.saturating_add(entry.link.len() as u64);
        self.over(name, tar, |dir| symlinkat(&*entry.link, dir, name))?;
        finish_special(self.cursor.dir(), name, entry, false)
    }

    fn make_node<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        tar: &mut Tar<R>,
    ) -> Result<(), EntryError> {
        let (major, minor) = entry.device;
        if major > MAJOR_MAX || minor > MINOR_MAX {
            let limit = u64::from(if major > MAJOR_MAX {
                MAJOR_MAX
            } else {
                MINOR_MAX
            });
            return Err(EntryError::Limit {
                what: "device number",
                limit,
            });
        }
        let (kind, device) = match entry.kind {
            Kind::CharDevice => (FileType::CharacterDevice, makedev(major, minor)),
            Kind::BlockDevice => (FileType::BlockDevice, makedev(major, minor)),
            _ => (FileType::Fifo, 0),
        };
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        self.over(name, tar, |dir| mknodat(dir, name, kind, mode, device))?;
        finish_special(self.cursor.dir(), name, entry, true)
    }

    /// Makes something under `name` in the current directory, after moving away what lies there.
    fn over<T, R: BufRead>(
        &mut self,
        name: &[u8],
        tar: &mut Tar<R>,
        make: impl Fn(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, EntryError> {
        match make(self.cursor.dir()) {
            Err(Errno::EXIST) => {}
            other => return other.map_err(failed("make it")),
        }
        let there = stat(self.cursor.dir(), name)?;
        self.replace(name, &there, tar)?;
        make(self.cursor.dir()).map_err(failed("make it"))
    }

    /// Takes what lies under `name` out of the way. Content is kept, because the recipe refers to it.
    fn replace<R: BufRead>(
        &mut self,
        name: &[u8],
        there: &Stat,
        tar: &mut Tar<R>,
    ) -> Result<(), EntryError> {
        let kind = FileType::from_raw_mode(there.st_mode);
        let has_content = match kind {
            FileType::Directory => true,
            FileType::RegularFile => there.st_size > 0,
            _ => false,
        };
        if !has_content {
            return unlinkat(self.cursor.dir(), name, AtFlags::empty())
                .map_err(failed("remove what lies there"));
        }
        let number = self.kept;
        self.kept += 1;
        renameat(self.cursor.dir(), name, &self.kept_dir, number.to_string())
            .map_err(failed("move away what lies there"))?;
        let path = join(self.cursor.path(), name);
        tar.tape()
            .moved(&path, number)
            .map_err(failed("write the layer's recipe"))?;
        if kind == FileType::Directory {
            self.cursor
                .implied
                .retain(|implied| !super::path::is_within(implied, &path));
        }
        Ok(())
    }
}

/// Writes a file's content; what a sparse file lacks becomes holes.
fn write_content<R: BufRead>(
    file: &OwnedFd,
    entry: &Entry,
    tar: &mut Tar<R>,
) -> Result<(), EntryError> {
    let written = if entry.segments.is_some() {
        ftruncate(file, entry.size).map_err(failed("set its size"))?;
        tar.pieces(|offset, piece| write_all_at(file, piece, offset))
    } else {
        tar.content(|piece| write_all(file, piece))
    };
    written
        .map_err(EntryError::Content)?
        .map_err(failed("write its content"))
}

fn write_all_at(file: &OwnedFd, mut bytes: &[u8], mut offset: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file, bytes, offset) {
            Ok(len) => {
                bytes = &bytes[len..];
                offset += len as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn stat(dir: impl AsFd, name: &[u8]) -> Result<Stat, EntryError> {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("stat what lies there"))
}

/// Overlay's form of a whiteout: a character device 0:0.
fn is_whiteout(there: &Stat) -> bool {
    FileType::from_raw_mode(there.st_mode) == FileType::CharacterDevice && there.st_rdev == 0
}
