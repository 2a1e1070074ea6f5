//! The container's control groups as files under `/sys/fs/cgroup`.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use gantry_cgroup::{Cgroup, Hierarchy, Layout};
use gantry_linux::mount_attr::{self, MountAttributes, NODEV, NOEXEC, NOSUID, RDONLY};
use rustix::fs::Mode;
use rustix::mount::FsOpenFlags;

use crate::init::mounts::{attach, clone_tree, finish_fs, mount_point};
use crate::init::{Init, InitError, resolve};
use crate::plan::CgroupMount;

impl Init<'_> {
    /// v2: the tree (its root is the container's group if it has a cgroup namespace). v1: a tmpfs
    /// with one directory per hierarchy.
    pub(crate) fn mount_cgroup(&mut self, mount: &CgroupMount) -> Result<(), InitError> {
        let Some((layout, cgroup)) = self.cgroup else {
            return Ok(());
        };
        let root = self.root()?;
        let target = resolve::make_directory(root, &mount.destination)
            .map_err(|source| mount_point(&mount.destination, source))?;
        let failed = |source| InitError::Mount {
            from: "cgroup".to_owned(),
            destination: mount.destination.clone(),
            step: "mount",
            source,
        };
        match layout {
            Layout::V2 { .. } => {
                let tree = unified(mount, cgroup).map_err(failed)?;
                attach(tree.as_fd(), target.as_fd()).map_err(failed)
            }
            Layout::V1(hierarchies) => {
                let fs = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)
                    .map_err(|source| failed(source.into()))?;
                rustix::mount::fsconfig_set_string(fs.as_fd(), "source", "tmpfs")
                    .map_err(|source| failed(source.into()))?;
                rustix::mount::fsconfig_set_string(fs.as_fd(), "mode", "755")
                    .map_err(|source| failed(source.into()))?;
                rustix::mount::fsconfig_create(fs.as_fd())
                    .map_err(|source| failed(source.into()))?;
                let tmpfs = finish_fs(fs.as_fd(), NOSUID | NODEV | NOEXEC).map_err(failed)?;
                attach(tmpfs.as_fd(), target.as_fd()).map_err(failed)?;
                for hierarchy in hierarchies {
                    one_v1(tmpfs.as_fd(), hierarchy, mount, cgroup).map_err(failed)?;
                }
                if mount.change.attributes.set & RDONLY != 0 {
                    self.to_seal.push(tmpfs);
                }
                Ok(())
            }
        }
    }
}

/// A new mount shows the cgroup namespace's tree; where the kernel refuses one (a user namespace that
/// does not own the cgroup namespace), the group's directory itself.
fn unified(mount: &CgroupMount, cgroup: &Cgroup) -> io::Result<rustix::fd::OwnedFd> {
    let new = || -> io::Result<_> {
        let fs = rustix::mount::fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_create(fs.as_fd())?;
        finish_fs(fs.as_fd(), mount.change.attributes.set)
    };
    new().or_else(|error| match cgroup.directory("") {
        Some(path) => {
            let tree = clone_tree(path, true)?;
            mount_attr::set(tree.as_fd(), attributes(mount))?;
            Ok(tree)
        }
        None => Err(error),
    })
}

fn attributes(mount: &CgroupMount) -> MountAttributes {
    MountAttributes {
        set: mount.change.attributes.set,
        ..MountAttributes::default()
    }
}

/// One hierarchy: its directory named as on the host, and a link for each single controller.
fn one_v1(
    tmpfs: rustix::fd::BorrowedFd<'_>,
    hierarchy: &Hierarchy,
    mount: &CgroupMount,
    cgroup: &Cgroup,
) -> io::Result<()> {
    let Some(name) = hierarchy.mount.file_name() else {
        return Ok(());
    };
    let first = hierarchy.controllers.first().map_or("", String::as_str);
    rustix::fs::mkdirat(tmpfs, name, Mode::from_raw_mode(0o755))?;
    let target = resolve::open(tmpfs, Path::new(name))?;
    let tree = if mount.own_namespace {
        let fs = rustix::mount::fsopen("cgroup", FsOpenFlags::FSOPEN_CLOEXEC)?;
        match first.strip_prefix("name=") {
            Some(name) => {
                rustix::mount::fsconfig_set_flag(fs.as_fd(), "none")?;
                rustix::mount::fsconfig_set_string(fs.as_fd(), "name", name)?;
            }
            None => {
                for controller in &hierarchy.controllers {
                    rustix::mount::fsconfig_set_flag(fs.as_fd(), controller.as_str())?;
                }
            }
        }
        rustix::mount::fsconfig_create(fs.as_fd())?;
        finish_fs(fs.as_fd(), mount.change.attributes.set)?
    } else {
        let path = cgroup.directory(first).unwrap_or(&hierarchy.mount);
        let tree = clone_tree(path, false)?;
        mount_attr::set(tree.as_fd(), attributes(mount))?;
        tree
    };
    attach(tree.as_fd(), target.as_fd())?;
    if hierarchy.controllers.len() > 1 {
        for controller in &hierarchy.controllers {
            rustix::fs::symlinkat(name, tmpfs, controller.as_str())?;
        }
    }
    Ok(())
}
