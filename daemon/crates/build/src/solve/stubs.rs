//! Files and directories that a runtime makes in a root only to mount something on them.
//!
//! They belong to no layer: what is still empty when the program has ended is taken away again, as
//! BuildKit does.

use std::os::fd::AsFd;
use std::path::Path;

use gantry_layer::Rootfs;
use rustix::fs::{AtFlags, FileType, OFlags, fstat, unlinkat};

use super::stage;
use crate::fault::Fault;
use crate::port::ReadyMount;
use crate::tree::names;
use crate::{CopyError, Tree};

/// What every container has mounted.
const ALWAYS: [&str; 6] = [
    "/proc",
    "/sys",
    "/dev",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/hostname",
];

/// The paths that were not there before a program ran, the deepest first.
#[derive(Debug)]
pub(super) struct Stubs {
    missing: Vec<String>,
    /// Directories that were there, in which something is mounted.
    parents: Vec<String>,
}

impl Stubs {
    /// Looks which of the places of mounts are not there.
    pub(super) fn expect(rootfs: &Rootfs, mounts: &[ReadyMount]) -> Result<Self, Fault> {
        let tree = stage::open(rootfs)?;
        let targets = mounts.iter().filter_map(|mount| mount.target.to_str());
        let (mut missing, mut parents) = (Vec::new(), Vec::new());
        for target in ALWAYS.into_iter().chain(targets) {
            let is_elsewhere = ["/proc/", "/sys/", "/dev/"]
                .iter()
                .any(|above| target.starts_with(above));
            if is_elsewhere {
                continue;
            }
            for path in Path::new(target).ancestors().filter_map(Path::to_str) {
                let path = path.to_owned();
                if path == "/" || missing.contains(&path) {
                    continue;
                }
                if tree.at(&path, OFlags::PATH).is_err() {
                    missing.push(path);
                } else if path != target && !parents.contains(&path) {
                    parents.push(path);
                }
            }
        }
        missing.sort_by_key(|path| std::cmp::Reverse(path.len()));
        parents.sort_by_key(|path| std::cmp::Reverse(path.len()));
        Ok(Self { missing, parents })
    }

    /// Takes what is still empty away from the step's own directory.
    pub(super) fn remove(&self, rootfs: &Rootfs) -> Result<(), Fault> {
        let upper = Tree::open(&rootfs.upper).map_err(Fault::io("open a layer"))?;
        for path in &self.missing {
            remove_empty(&upper, path)?;
        }
        // Directories that overlay copied up for the sake of a stub.
        for path in &self.parents {
            if is_unchanged(rootfs, &upper, path)? {
                remove_empty(&upper, path)?;
            }
        }
        Ok(())
    }
}

/// Whether a directory is as it was but for its time.
fn is_unchanged(rootfs: &Rootfs, upper: &Tree, path: &str) -> Result<bool, Fault> {
    let Ok(now) = upper.at(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW) else {
        return Ok(false);
    };
    let mut value = [0; 1];
    if rustix::fs::fgetxattr(&now, "trusted.overlay.opaque", &mut value[..]).is_ok() {
        return Ok(false);
    }
    let now = fstat(&now).map_err(|error| CopyError::read(path, error))?;
    for lower in &rootfs.lowers {
        let lower = Tree::open(lower).map_err(Fault::io("open a layer"))?;
        if let Ok(before) = lower.at(path, OFlags::PATH | OFlags::NOFOLLOW) {
            let before = fstat(&before).map_err(|error| CopyError::read(path, error))?;
            return Ok(before.st_mode == now.st_mode
                && before.st_uid == now.st_uid
                && before.st_gid == now.st_gid);
        }
    }
    Ok(false)
}

/// Removes an empty file or directory.
fn remove_empty(tree: &Tree, path: &str) -> Result<(), Fault> {
    let Ok(found) = tree.at(path, OFlags::PATH | OFlags::NOFOLLOW) else {
        return Ok(());
    };
    let stat = fstat(&found).map_err(|error| CopyError::read(path, error))?;
    let flags = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_size == 0 => AtFlags::empty(),
        FileType::Directory => {
            let inside = tree.directory(path).and_then(|it| names(it.as_fd()));
            let inside = inside.map_err(|error| CopyError::read(path, error))?;
            if !inside.is_empty() {
                return Ok(());
            }
            AtFlags::REMOVEDIR
        }
        _ => return Ok(()),
    };
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let removed = tree
        .directory(parent)
        .and_then(|parent| unlinkat(parent, name, flags));
    removed.map_err(|error| CopyError::write(path, error).into())
}
