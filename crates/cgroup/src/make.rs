//! Making the directories of a group: the one hierarchy after the other on v1, with controllers
//! switched on for those below on v2.

use std::fs;
use std::io;
use std::path::Path;

use crate::{CgroupError, file};

/// A directory of a v1 hierarchy and those above it; ones that exist are taken as they are.
pub(crate) fn make_v1(path: &Path, mount: &Path, cpuset: bool) -> Result<(), CgroupError> {
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(source) if source.kind() == io::ErrorKind::NotFound && path != mount => {
            if let Some(parent) = path.parent() {
                make_v1(parent, mount, cpuset)?;
                if cpuset {
                    pass_on_cpuset(parent);
                }
            }
            match fs::create_dir(path) {
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
                other => {
                    other.map_err(|source| CgroupError::Create {
                        path: path.to_owned(),
                        source,
                    })?;
                }
            }
        }
        Err(source) => {
            return Err(CgroupError::Create {
                path: path.to_owned(),
                source,
            });
        }
    }
    if cpuset { inherit_cpuset(path) } else { Ok(()) }
}

/// Has the kernel give a v1 cpuset's processors and memory nodes to those that are made below it
/// (cgroup-v1/cgroups.rst, 1.5). Written by hand they cost most of a millisecond: the kernel works out
/// anew which processors it balances.
fn pass_on_cpuset(path: &Path) {
    // Where that is refused they are written by hand.
    let _refused = file::write(&path.join("cgroup.clone_children"), "1");
}

/// A new v1 cpuset has no processors and no memory nodes unless they are passed on: it takes its parent's.
fn inherit_cpuset(path: &Path) -> Result<(), CgroupError> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    for name in ["cpuset.cpus", "cpuset.mems"] {
        if file::read(&path.join(name))?.trim().is_empty() {
            file::write(&path.join(name), file::read(&parent.join(name))?.trim())?;
        }
    }
    Ok(())
}

/// The same on v2; the controllers are switched on from the root down.
pub(crate) fn make_v2(path: &Path, mount: &Path) -> Result<(), CgroupError> {
    let create = |source| CgroupError::Create {
        path: path.to_owned(),
        source,
    };
    let Ok(inside) = path.strip_prefix(mount) else {
        return Err(CgroupError::BadPath {
            path: path.to_owned(),
        });
    };
    let mut current = mount.to_owned();
    for part in inside {
        enable_controllers(&current);
        current.push(part);
        match fs::create_dir(&current) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(create(source));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Switches on for the children whatever the group itself has. What cannot be switched on (a group
/// with processes of its own) is found out by the limit that needs it, which says so.
fn enable_controllers(path: &Path) {
    let Ok(available) = file::read(&path.join("cgroup.controllers")) else {
        return;
    };
    let enabled = file::read(&path.join("cgroup.subtree_control")).unwrap_or_default();
    let missing: Vec<String> = available
        .split_whitespace()
        .filter(|name| !enabled.split_whitespace().any(|have| have == *name))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() {
        return;
    }
    let control = path.join("cgroup.subtree_control");
    if file::write(&control, &missing.join(" ")).is_err() {
        for one in &missing {
            // One that refuses (cpu with real-time processes about) must not keep the others out.
            let _refused = file::write(&control, one);
        }
    }
}
