//! Mounts inside the root, by the descriptor-based mount calls.
//!
//! A file system or a bind mount is first made detached, completely set up, and then attached to a
//! mount point held by descriptor. No path is resolved twice, so nobody can swap it in between.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use gantry_linux::mount_attr::{self, MountAttributes, RDONLY};
use gantry_linux::user_namespace;
use rustix::fs::{CWD, FileType};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

use crate::init::{Init, InitError, resolve};
use crate::plan::{BindMount, FsMount, MountChange, Owners, Step};

impl Init<'_> {
    /// Mounts a new instance of a file system.
    pub(crate) fn mount(&mut self, mount: &FsMount) -> Result<(), InitError> {
        let root = self.root()?;
        let target = if matches!(mount.fs_type.as_str(), "proc" | "sysfs") {
            // Where programs expect the kernel there must be the kernel, not where a link leads.
            resolve::make_directory(root, &mount.destination)
                .and_then(|_| resolve::open_without_links(root, &mount.destination))
        } else {
            resolve::make_directory(root, &mount.destination)
        };
        let target = target.map_err(|source| mount_point(&mount.destination, source))?;
        let failed = |step, source| InitError::Mount {
            from: mount.source.clone(),
            destination: mount.destination.clone(),
            step,
            source,
        };
        // A tmpfs that will be read-only still gets its directories, nodes and mounts: sealed last.
        let seal = mount.fs_type == "tmpfs" && mount.change.attributes.set & RDONLY != 0;
        let attributes = mount.change.attributes.set & if seal { !RDONLY } else { !0 };
        let new = make_fs(mount, attributes).map_err(|(step, source)| failed(step, source))?;
        if mount.change.copy_up {
            copy_up(target.as_fd(), new.as_fd()).map_err(|source| failed("tmpcopyup", source))?;
        }
        attach(new.as_fd(), target.as_fd()).map_err(|source| failed("move_mount", source))?;
        change_tree(new.as_fd(), &mount.change)
            .map_err(|source| failed("mount_setattr", source))?;
        if seal {
            self.to_seal.push(new);
        }
        Ok(())
    }

    /// Shows a tree of the host's files.
    pub(crate) fn bind(&mut self, bind: &BindMount) -> Result<(), InitError> {
        let tree = match &bind.owners {
            Some(_) => self.mapped.pop_front().ok_or(InitError::NoTree)?,
            None => tree_of(bind)?,
        };
        let root = self.root()?;
        let point = |source| mount_point(&bind.destination, source);
        let target = if resolve::kind(tree.as_fd()).map_err(point)? == FileType::Directory {
            resolve::make_directory(root, &bind.destination)
        } else {
            resolve::make_file(root, &bind.destination)
        };
        let target = target.map_err(point)?;
        let failed = |step, source| InitError::Mount {
            from: bind.source.to_string_lossy().into_owned(),
            destination: bind.destination.clone(),
            step,
            source,
        };
        if bind.change.attributes != MountAttributes::default() {
            mount_attr::set(tree.as_fd(), bind.change.attributes)
                .map_err(|source| failed("mount_setattr", source))?;
        }
        attach(tree.as_fd(), target.as_fd()).map_err(|source| failed("move_mount", source))?;
        change_tree(tree.as_fd(), &bind.change).map_err(|source| failed("mount_setattr", source))
    }

    /// Makes read-only what was left writable for the steps before.
    pub(crate) fn seal(&mut self) -> Result<(), InitError> {
        let change = MountAttributes {
            set: RDONLY,
            ..MountAttributes::default()
        };
        for mount in self.to_seal.drain(..) {
            mount_attr::set(mount.as_fd(), change).map_err(|source| InitError::Readonly {
                path: "/dev".into(),
                source,
            })?;
        }
        Ok(())
    }
}

/// The trees whose owners are mapped, in the order of their steps, not attached anywhere. The runtime makes them: a
/// process in a user namespace of its own may not.
pub(crate) fn mapped_trees(steps: &[Step]) -> Result<VecDeque<OwnedFd>, InitError> {
    let binds = steps.iter().filter_map(|step| match step {
        Step::Bind(bind) => Some((bind, bind.owners.as_ref()?)),
        _ => None,
    });
    let mapped = binds.map(|(bind, owners)| {
        let tree = tree_of(bind)?;
        map_owners(tree.as_fd(), owners).map_err(|source| InitError::Mount {
            from: bind.source.to_string_lossy().into_owned(),
            destination: bind.destination.clone(),
            step: "map the owners of files",
            source,
        })?;
        Ok(tree)
    });
    mapped.collect()
}

fn map_owners(tree: BorrowedFd<'_>, owners: &Owners) -> io::Result<()> {
    let namespace = user_namespace::with_maps(&owners.users, &owners.groups)?;
    if owners.recursive {
        mount_attr::map_owners(tree, namespace.as_fd())
    } else {
        mount_attr::map_owners_flat(tree, namespace.as_fd())
    }
}

fn tree_of(bind: &BindMount) -> Result<OwnedFd, InitError> {
    clone_tree(&bind.source, bind.recursive).map_err(|source| InitError::BindSource {
        path: bind.source.clone(),
        source,
    })
}

pub(crate) fn mount_point(destination: &Path, source: io::Error) -> InitError {
    InitError::MountPoint {
        destination: destination.to_owned(),
        source,
    }
}

/// A detached new file system with the mount's attributes.
fn make_fs(mount: &FsMount, attributes: u64) -> Result<OwnedFd, (&'static str, io::Error)> {
    let step = |step| move |error: rustix::io::Errno| (step, io::Error::from(error));
    let fs = rustix::mount::fsopen(mount.fs_type.as_str(), FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(step("fsopen"))?;
    let source = if mount.source.is_empty() {
        "none"
    } else {
        mount.source.as_str()
    };
    rustix::mount::fsconfig_set_string(fs.as_fd(), "source", source).map_err(step("fsconfig"))?;
    for flag in &mount.change.superblock {
        rustix::mount::fsconfig_set_flag(fs.as_fd(), flag.as_str()).map_err(step("fsconfig"))?;
    }
    for (key, value) in &mount.data {
        match value {
            Some(value) => {
                rustix::mount::fsconfig_set_string(fs.as_fd(), key.as_str(), value.as_str())
            }
            None => rustix::mount::fsconfig_set_flag(fs.as_fd(), key.as_str()),
        }
        .map_err(step("fsconfig"))?;
    }
    rustix::mount::fsconfig_create(fs.as_fd()).map_err(step("fsconfig_create"))?;
    finish_fs(fs.as_fd(), attributes).map_err(|source| ("fsmount", source))
}

/// Turns a configured file system into a detached mount.
pub(crate) fn finish_fs(fs: BorrowedFd<'_>, attributes: u64) -> io::Result<OwnedFd> {
    let bits = u32::try_from(attributes).map_err(|_| io::ErrorKind::InvalidInput)?;
    let attributes = MountAttrFlags::from_bits_retain(bits);
    Ok(rustix::mount::fsmount(
        fs,
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes,
    )?)
}

/// A detached copy of the mounts at a path of the host.
pub(crate) fn clone_tree(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    Ok(rustix::mount::open_tree(CWD, path, flags)?)
}

/// A detached copy of the mounts at an open file.
pub(crate) fn clone_at(file: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    Ok(rustix::mount::open_tree(file, "", flags)?)
}

/// Attaches a detached mount.
pub(crate) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let by_descriptor =
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(
        mount,
        "",
        target,
        "",
        by_descriptor,
    )?)
}

/// The changes that concern the tree, and propagation, which only an attached mount can have.
fn change_tree(mount: BorrowedFd<'_>, change: &MountChange) -> io::Result<()> {
    if change.recursive != MountAttributes::default() {
        mount_attr::set_recursive(mount, change.recursive)?;
    }
    for (kind, recursive) in &change.propagation {
        let change = MountAttributes {
            propagation: *kind,
            ..MountAttributes::default()
        };
        if *recursive {
            mount_attr::set_recursive(mount, change)?;
        } else {
            mount_attr::set(mount, change)?;
        }
    }
    Ok(())
}

/// Copies what a tmpfs is about to cover into it: files, directories and links with their modes and
/// owners.
fn copy_up(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    use rustix::fs::{AtFlags, Dir, Mode, OFlags};
    let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let from = rustix::fs::openat(from, ".", open, Mode::empty())?;
    for entry in Dir::read_from(&from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = rustix::fs::statat(&from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, mode)?;
                let below = OFlags::NOFOLLOW | open;
                let child_from = rustix::fs::openat(&from, name, below, Mode::empty())?;
                let child_to = rustix::fs::openat(to, name, below, Mode::empty())?;
                copy_up(child_from.as_fd(), child_to.as_fd())?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&from, name, Vec::new())?;
                rustix::fs::symlinkat(&target, to, name)?;
            }
            FileType::RegularFile => {
                let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let source = rustix::fs::openat(&from, name, read, Mode::empty())?;
                let copy = rustix::fs::openat(to, name, write, mode)?;
                io::copy(
                    &mut std::fs::File::from(source),
                    &mut std::fs::File::from(copy),
                )?;
            }
            // Nodes and sockets mean nothing in a copy.
            _ => continue,
        }
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(stat.st_uid),
            rustix::fs::Gid::from_raw(stat.st_gid),
        );
        rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
