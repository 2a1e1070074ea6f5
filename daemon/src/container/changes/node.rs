//! One file of a layer: what there is to compare, and overlay's marks on it.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, statat},
    io::Errno,
};

/// Capabilities of a file: the kernel's `vfs_ns_cap_data` has 24 bytes.
const CAPABILITY_MAX: usize = 64;
/// A redirect is a path.
const REDIRECT_MAX: usize = 4096;

/// What is known of a file.
#[derive(Debug, Clone)]
pub(super) struct Node {
    stat: Stat,
    /// `security.capability`, as it is kept.
    capability: Vec<u8>,
    opaque: bool,
    redirect: Option<Vec<u8>>,
}

impl Node {
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Stands for something that was removed.
    pub(super) fn is_whiteout(&self) -> bool {
        self.kind() == FileType::CharacterDevice && self.stat.st_rdev == 0
    }

    /// A directory that hides what is beneath it.
    pub(super) const fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// The image's directory that shows through this one, named `name` in a directory through which
    /// `beneath` shows. An absolute redirect counts from the root, another one names a sibling.
    pub(super) fn redirected(&self, beneath: Option<&Path>, name: &OsStr) -> Option<PathBuf> {
        match &self.redirect {
            None => Some(beneath?.join(name)),
            Some(to) => match to.strip_prefix(b"/") {
                Some(to) => Some(PathBuf::from(OsString::from_vec(to.to_vec()))),
                None => Some(beneath?.join(OsStr::from_bytes(to))),
            },
        }
    }

    /// Whether dockerd calls it changed.
    pub(super) fn differs(&self, old: &Self) -> bool {
        let (new, was) = (&self.stat, &old.stat);
        let same_node = new.st_mode == was.st_mode
            && new.st_uid == was.st_uid
            && new.st_gid == was.st_gid
            && new.st_rdev == was.st_rdev
            && self.capability == old.capability;
        // A directory's size and time say nothing about it.
        let same_data = self.kind() == FileType::Directory
            || (new.st_size == was.st_size && same_time(new, was));
        !(same_node && same_data)
    }
}

/// A tar may have kept whole seconds only.
fn same_time(new: &Stat, old: &Stat) -> bool {
    new.st_mtime == old.st_mtime
        && (new.st_mtime_nsec == old.st_mtime_nsec
            || new.st_mtime_nsec == 0
            || old.st_mtime_nsec == 0)
}

/// What is at a path beneath a directory; no link is followed.
pub(super) fn at(root: BorrowedFd<'_>, path: &Path) -> io::Result<Option<Node>> {
    let node = match open(root, path, OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(node) => node,
        // A parent that is a link or a file: nothing is there.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let node = describe(&node)?;
    Ok(Some(node).filter(|node| !node.is_whiteout()))
}

/// What is in a directory, whiteouts too. Empty if the directory has gone meanwhile.
pub(super) fn list(root: BorrowedFd<'_>, path: &Path) -> io::Result<Vec<(OsString, Node)>> {
    let dir = match open(root, path, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(dir) => dir,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut nodes = Vec::new();
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        match open(
            dir.as_fd(),
            Path::new(OsStr::from_bytes(name)),
            OFlags::PATH | OFlags::NOFOLLOW,
        ) {
            Ok(node) => nodes.push((OsString::from_vec(name.to_vec()), describe(&node)?)),
            // The container has removed it meanwhile.
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(nodes)
}

fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

fn describe(node: &OwnedFd) -> io::Result<Node> {
    let stat = statat(node, "", AtFlags::EMPTY_PATH)?;
    let mut described = Node {
        stat,
        capability: Vec::new(),
        opaque: false,
        redirect: None,
    };
    match described.kind() {
        FileType::RegularFile => {
            described.capability =
                attribute(node, "security.capability", CAPABILITY_MAX)?.unwrap_or_default();
        }
        FileType::Directory => {
            let opaque = attribute(node, "trusted.overlay.opaque", 1)?;
            described.opaque = opaque.is_some_and(|value| value == b"y");
            described.redirect = attribute(node, "trusted.overlay.redirect", REDIRECT_MAX)?;
        }
        _ => {}
    }
    Ok(described)
}

/// An extended attribute, by way of the descriptor's name: one that only names a file cannot be asked.
fn attribute(node: &OwnedFd, name: &str, max: usize) -> io::Result<Option<Vec<u8>>> {
    let path = format!("/proc/self/fd/{}", node.as_raw_fd());
    let mut value = vec![0; max];
    match rustix::fs::getxattr(path, name, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
