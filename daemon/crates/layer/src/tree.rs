//! A view of layers, looked into: files opened, directories copied.
//!
//! Paths come from images (users' home directories, volume mount points) and are resolved by the
//! kernel as if the view's root were `/`.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, chmodat, chownat, linkat,
    mkdirat, mknodat, openat, readlinkat, statat, symlinkat, utimensat,
};
use rustix::io::Errno;

use crate::overlay::{
    copy_attributes, copy_owner_and_mode, copy_times, open_beneath, open_directory, times_of,
};

/// The merged root directory of some layers.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

impl Tree {
    /// Looks into the directory behind a descriptor.
    #[must_use]
    pub const fn new(root: OwnedFd) -> Self {
        Self { root }
    }

    /// Opens a regular file for reading, links followed beneath the root; none if there is none.
    ///
    /// # Errors
    /// Whatever else the kernel refuses.
    pub fn open_file(&self, path: &Path) -> io::Result<Option<File>> {
        // Not to block on a pipe that the image has there.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        match open_beneath(
            self.root.as_fd(),
            inside(path),
            flags,
            ResolveFlags::IN_ROOT,
        ) {
            Ok(file) => {
                let file = File::from(file);
                Ok(file.metadata()?.is_file().then_some(file))
            }
            Err(error) if is_absent(error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Copies the directory at `path` to the directory `target`, which exists and is empty; nothing
    /// if there is no directory. Hard links stay links, devices devices; owners, modes, times and
    /// attributes are kept.
    ///
    /// # Errors
    /// Whatever the kernel refuses; a part may be copied then.
    pub fn copy_to(&self, path: &Path, target: &Path) -> io::Result<()> {
        let source = match open_directory(self.root.as_fd(), inside(path), ResolveFlags::IN_ROOT) {
            Ok(source) => source,
            Err(error) if is_absent(error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let root = rustix::fs::open(target, flags, Mode::empty())?;
        let mut copier = Copier {
            root,
            links: HashMap::new(),
        };
        copier.copy(source)
    }
}

/// The path from the root: `/a` is `a`, `/` is `.`.
fn inside(path: &Path) -> &[u8] {
    let bytes = path.as_os_str().as_bytes();
    let start = bytes
        .iter()
        .position(|byte| *byte != b'/')
        .unwrap_or(bytes.len());
    if start == bytes.len() {
        b"."
    } else {
        &bytes[start..]
    }
}

fn is_absent(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

/// Copies one tree. It works on a list and not by recursion, so that depth costs no stack.
struct Copier {
    root: OwnedFd,
    /// Files with several names, by device and inode: the path of the first copy.
    links: HashMap<(u64, u64), PathBuf>,
}

impl Copier {
    fn copy(&mut self, source: OwnedFd) -> io::Result<()> {
        let mut waiting = vec![(PathBuf::new(), source)];
        let mut done = Vec::new();
        while let Some((path, source)) = waiting.pop() {
            let target = self.open_copy(&path)?;
            copy_owner_and_mode(&source, &target)?;
            copy_attributes(&source, &target)?;
            for entry in Dir::read_from(&source)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") {
                    continue;
                }
                let stat = statat(&source, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    mkdirat(&target, name, Mode::RWXU)?;
                    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                    let below = open_directory(source.as_fd(), name, beneath)?;
                    waiting.push((path.join(std::ffi::OsStr::from_bytes(name)), below));
                } else {
                    self.copy_one(&path, (source.as_fd(), target.as_fd()), name, &stat)?;
                }
            }
            done.push((path, statat(&source, c"", AtFlags::EMPTY_PATH)?));
        }
        // Last, and the deepest first: copying into a directory changes its time.
        for (path, stat) in done.iter().rev() {
            copy_times(stat, self.open_copy(path)?)?;
        }
        Ok(())
    }

    fn open_copy(&self, path: &Path) -> io::Result<OwnedFd> {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        Ok(open_directory(self.root.as_fd(), inside(path), beneath)?)
    }

    /// Copies anything but a directory.
    fn copy_one(
        &mut self,
        parent: &Path,
        (from, to): (BorrowedFd<'_>, BorrowedFd<'_>),
        name: &[u8],
        stat: &Stat,
    ) -> io::Result<()> {
        if stat.st_nlink > 1 {
            let path = parent.join(std::ffi::OsStr::from_bytes(name));
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                return Ok(linkat(&self.root, first, to, name, AtFlags::empty())?);
            }
            self.links.insert((stat.st_dev, stat.st_ino), path);
        }
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return copy_file(from, to, name, stat),
            FileType::Symlink => symlinkat(readlinkat(from, name, Vec::new())?, to, name)?,
            kind => {
                mknodat(to, name, kind, mode, stat.st_rdev)?;
                chmodat(to, name, mode, AtFlags::empty())?;
            }
        }
        let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        chownat(
            to,
            name,
            Some(owner.0),
            Some(owner.1),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
        Ok(utimensat(
            to,
            name,
            &times_of(stat),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }
}

fn copy_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> io::Result<()> {
    let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut source = File::from(openat(from, name, flags | OFlags::RDONLY, Mode::empty())?);
    let create = flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let mut target = File::from(openat(to, name, create, Mode::RUSR | Mode::WUSR)?);
    io::copy(&mut source, &mut target)?;
    copy_owner_and_mode(&source, &target)?;
    copy_attributes(&source, &target)?;
    copy_times(stat, &target)
}

/// Bytes of file content beneath `directory`, files with several names counted once.
///
/// # Errors
/// If a directory cannot be read. What disappears meanwhile is not counted.
pub fn bytes_in(directory: &Path) -> io::Result<u64> {
    let mut seen = std::collections::HashSet::new();
    let mut waiting = vec![directory.to_owned()];
    let mut bytes = 0;
    while let Some(directory) = waiting.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && bytes > 0 => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                waiting.push(entry.path());
            } else if meta.is_file() && (meta.nlink() == 1 || seen.insert((meta.dev(), meta.ino())))
            {
                bytes += meta.size();
            }
        }
    }
    Ok(bytes)
}
