//! A directory compared with the tree that its tar describes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, ResolveFlags, Stat, lgetxattr, makedev, readlinkat, statat,
};
use rustix::io::Errno;

use super::layout::OPAQUE;
use super::outline::{Kind, Node, NodeId, Outline};
use crate::extract::error::shown;
use crate::extract::path::join;
use crate::overlay;

/// The largest attribute value the kernel has, and one byte to see that it is larger.
const VALUE_BYTES: usize = (64 << 10) + 1;

/// What is different in the directory `root`: a sentence each. Contents of files are not looked at,
/// times and owners only where an entry of the tar gives them.
pub(crate) fn compare(outline: &Outline, root: OwnedFd) -> io::Result<Vec<String>> {
    let mut comparison = Comparison {
        outline,
        faults: Vec::new(),
        value: vec![0; VALUE_BYTES],
    };
    // A list and not recursion, so that depth costs no stack.
    let mut waiting = vec![(Vec::new(), root, Outline::ROOT)];
    while let Some((path, directory, id)) = waiting.pop() {
        for (name, child) in comparison.entries(&path, &directory, id)? {
            let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let opened = overlay::open_directory(directory.as_fd(), &name, beneath)?;
            waiting.push((join(&path, &name), opened, child));
        }
    }
    Ok(comparison.faults)
}

struct Comparison<'a> {
    outline: &'a Outline,
    faults: Vec<String>,
    value: Vec<u8>,
}

impl Comparison<'_> {
    fn fault(&mut self, path: &[u8], what: &str) {
        self.faults.push(format!("{} {what}", shown(path)));
    }

    /// Compares one directory's entries; gives those that are directories on both sides.
    fn entries(
        &mut self,
        path: &[u8],
        directory: &OwnedFd,
        id: NodeId,
    ) -> io::Result<Vec<(Vec<u8>, NodeId)>> {
        for entry in Dir::read_from(directory)? {
            let name = entry?.file_name().to_bytes().to_vec();
            let is_own = matches!(&*name, b"." | b"..");
            if !is_own && self.outline.child(id, &name).is_none() {
                self.fault(&join(path, &name), "is not of this layer");
            }
        }
        let mut both = Vec::new();
        let known = self.outline.directory(id).into_iter();
        let children: Vec<_> = known
            .flat_map(|directory| &directory.children)
            .map(|(name, child)| (name.to_vec(), *child))
            .collect();
        for (name, child) in children {
            let full = join(path, &name);
            match statat(directory, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    if self.node(&full, (directory.as_fd(), &name), child, &stat)? {
                        both.push((name, child));
                    }
                }
                Err(Errno::NOENT) => self.fault(&full, "is missing"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(both)
    }

    /// Compares one node; answers whether it is a directory on both sides.
    fn node(
        &mut self,
        path: &[u8],
        at: (BorrowedFd<'_>, &[u8]),
        id: NodeId,
        stat: &Stat,
    ) -> io::Result<bool> {
        let outline = self.outline;
        let node = outline.node(id);
        if !is_same_kind(node, at, stat)? {
            self.fault(path, "is something else");
            return Ok(false);
        }
        let directory = outline.directory(id);
        if directory.is_some_and(|directory| !directory.described) {
            return Ok(true);
        }
        if matches!(node.kind, Kind::CharDevice(0, 0)) {
            // A whiteout has no owner that matters.
            return Ok(false);
        }
        let is_link = matches!(node.kind, Kind::Symlink(_));
        let mode = stat.st_mode & 0o7777;
        if (stat.st_uid, stat.st_gid) != (node.owner.uid, node.owner.gid) {
            self.fault(path, "has another owner");
        }
        if !is_link && mode != node.owner.mode {
            self.fault(
                path,
                &format!("has mode {mode:o}, not {:o}", node.owner.mode),
            );
        }
        if stat.st_mtime != node.mtime.seconds {
            self.fault(path, "has another time");
        }
        self.attributes(path, at, node)?;
        if directory.is_some_and(|directory| directory.opaque)
            && self.value(at, OPAQUE.0.as_bytes())?.as_deref() != Some(OPAQUE.1)
        {
            self.fault(path, "does not hide what lies beneath");
        }
        Ok(directory.is_some())
    }

    fn attributes(
        &mut self,
        path: &[u8],
        at: (BorrowedFd<'_>, &[u8]),
        node: &Node,
    ) -> io::Result<()> {
        for (name, value) in &node.xattrs {
            if self.value(at, name)?.is_some_and(|found| found != *value) {
                self.fault(path, &format!("has another attribute {}", shown(name)));
            }
        }
        Ok(())
    }

    /// An attribute; none where it is not there, or has no place on this file system.
    fn value(
        &mut self,
        (directory, name): (BorrowedFd<'_>, &[u8]),
        attribute: &[u8],
    ) -> io::Result<Option<Vec<u8>>> {
        let prefix = format!("/proc/self/fd/{}/", directory.as_raw_fd());
        let path = [prefix.as_bytes(), name].concat();
        match lgetxattr(&*path, attribute, &mut self.value[..]) {
            Ok(len) => Ok(Some(self.value[..len].to_vec())),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether kind, size, target and device are those of the tar.
fn is_same_kind(
    node: &Node,
    (directory, name): (BorrowedFd<'_>, &[u8]),
    stat: &Stat,
) -> io::Result<bool> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    Ok(match &node.kind {
        Kind::Directory(_) => kind == FileType::Directory,
        Kind::File { size, .. } => {
            kind == FileType::RegularFile && u64::try_from(stat.st_size) == Ok(*size)
        }
        Kind::Symlink(target) => {
            kind == FileType::Symlink
                && readlinkat(directory, name, Vec::new())?.as_bytes() == &**target
        }
        Kind::Fifo => kind == FileType::Fifo,
        Kind::CharDevice(major, minor) => {
            kind == FileType::CharacterDevice && stat.st_rdev == makedev(*major, *minor)
        }
        Kind::BlockDevice(major, minor) => {
            kind == FileType::BlockDevice && stat.st_rdev == makedev(*major, *minor)
        }
    })
}
