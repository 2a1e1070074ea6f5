//! Paths of the container, resolved beneath its root.
//!
//! Existing paths go through `openat2(RESOLVE_IN_ROOT)`: the kernel treats the root's descriptor as
//! `/`, for links and `..` too, and follows no magic links. Missing ones are made component by
//! component from descriptors, so that nobody who renames or links inside the root meanwhile can lead
//! the walk outside.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

/// As many links as the kernel follows in one path.
const MAX_LINKS: u32 = 40;
/// How often a walk is tried again that a rename elsewhere disturbed (`EAGAIN`).
const MAX_RETRIES: u32 = 256;

/// Opens what is at `path` (O_PATH: nothing is read or triggered).
pub(crate) fn open(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    open_with(root, path, OFlags::PATH, ResolveFlags::empty())
}

/// The same, refusing symbolic links anywhere in the path.
pub(crate) fn open_without_links(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    open_with(root, path, OFlags::PATH, ResolveFlags::NO_SYMLINKS)
}

fn open_with(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    more: ResolveFlags,
) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
    let path = if path == Path::new("/") {
        Path::new(".")
    } else {
        path
    };
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries < MAX_RETRIES => tries += 1,
            other => return other.map_err(io::Error::from),
        }
    }
}

/// The kind of what a descriptor refers to.
pub(crate) fn kind(file: BorrowedFd<'_>) -> io::Result<FileType> {
    let stat = rustix::fs::fstat(file)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

/// Opens the directory at `path`, making what is missing (mode 0755).
pub(crate) fn make_directory(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    match open(root, path) {
        Ok(found) if kind(found.as_fd())? == FileType::Directory => Ok(found),
        Ok(_) => Err(Errno::NOTDIR.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut walk = Walk::new(root, path)?;
            walk.make_directories()?;
            walk.into_current()
        }
        Err(error) => Err(error),
    }
}

/// Opens the file at `path`, making an empty one (and its directories) if there is none.
pub(crate) fn make_file(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    match open(root, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let (parent, name) = make_parent(root, path)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(&parent, &name, flags, Mode::from_raw_mode(0o644)) {
        Ok(_) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&parent, &name, flags, Mode::empty())?;
    // A link that leads nowhere: nothing can be mounted on it.
    if kind(file.as_fd())? == FileType::Symlink {
        Err(Errno::LOOP.into())
    } else {
        Ok(file)
    }
}

/// Opens the directory that `path` is in, making it if it is missing; and the last name.
pub(crate) fn make_parent(root: BorrowedFd<'_>, path: &Path) -> io::Result<(OwnedFd, OsString)> {
    let name = path.file_name().ok_or(Errno::ISDIR)?.to_owned();
    let parent = path.parent().unwrap_or(Path::new("/"));
    Ok((make_directory(root, parent)?, name))
}

/// A walk from the root, with the descriptors of all directories passed, so that `..` and links can
/// be followed without asking the kernel where that is.
struct Walk {
    passed: Vec<OwnedFd>,
    pending: VecDeque<OsString>,
    links: u32,
}

impl Walk {
    fn new(root: BorrowedFd<'_>, path: &Path) -> io::Result<Self> {
        let root = root.try_clone_to_owned()?;
        let mut walk = Self {
            passed: vec![root],
            pending: VecDeque::new(),
            links: 0,
        };
        walk.prepend(path);
        Ok(walk)
    }

    fn prepend(&mut self, path: &Path) {
        for part in path.components().rev() {
            match part {
                Component::Normal(name) => self.pending.push_front(name.to_owned()),
                Component::ParentDir => self.pending.push_front("..".into()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }

    fn current(&self) -> BorrowedFd<'_> {
        self.passed.last().expect("the root is never left").as_fd()
    }

    fn into_current(mut self) -> io::Result<OwnedFd> {
        self.passed.pop().ok_or_else(|| Errno::NOENT.into())
    }

    fn make_directories(&mut self) -> io::Result<()> {
        while let Some(name) = self.pending.pop_front() {
            if name == ".." {
                if self.passed.len() > 1 {
                    self.passed.pop();
                }
                continue;
            }
            match rustix::fs::mkdirat(self.current(), &name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = rustix::fs::openat(self.current(), &name, flags, Mode::empty())?;
            match kind(next.as_fd())? {
                FileType::Directory => self.passed.push(next),
                FileType::Symlink => self.follow(next.as_fd())?,
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        Ok(())
    }

    fn follow(&mut self, link: BorrowedFd<'_>) -> io::Result<()> {
        self.links += 1;
        // Links of /proc have a target that is not where they lead: what has no size is one.
        if self.links > MAX_LINKS || is_magic(link)? {
            return Err(Errno::LOOP.into());
        }
        let target = rustix::fs::readlinkat(link, "", Vec::new())?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            self.passed.truncate(1);
        }
        self.prepend(&target);
        Ok(())
    }
}

fn is_magic(link: BorrowedFd<'_>) -> io::Result<bool> {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    let fs = rustix::fs::fstatfs(link)?;
    let magic = u64::try_from(fs.f_type).unwrap_or(0);
    let stat = rustix::fs::statx(link, "", AtFlags::EMPTY_PATH, StatxFlags::SIZE)?;
    Ok(magic == PROC_SUPER_MAGIC && stat.stx_size == 0)
}
