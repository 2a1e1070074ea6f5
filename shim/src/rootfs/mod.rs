//! The container's root: the mounts that `Create` asks for, made in the bundle's `rootfs` and taken
//! away again. A bundle that comes with its root mounted is left as it is.
//!
//! Overlay goes by the new mount API, one `lowerdir+` per layer, because the options of `mount(2)`
//! end at one page; an older kernel gets the classic call.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    UnmountFlags,
};
use thiserror::Error;

/// One mount as the engine asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) kind: String,
    pub(crate) source: String,
    /// Must be empty: the root itself.
    pub(crate) target: String,
    pub(crate) options: Vec<String>,
}

/// Why the root could not be mounted.
#[derive(Debug, Error)]
pub(crate) enum RootfsError {
    #[error("mount target {0:?} beneath the root is not supported")]
    Target(String),
    #[error("make mount point {path}")]
    MountPoint {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to mount rootfs component: mount {kind} from {from:?} on {path}")]
    Mount {
        kind: String,
        from: String,
        path: PathBuf,
        #[source]
        source: Errno,
    },
}

/// Mounts all of `mounts` beneath `root`; after an error nothing is left mounted.
pub(crate) fn mount_all(mounts: &[Mount], root: &Path) -> Result<(), RootfsError> {
    for mount in mounts {
        if let Err(error) = mount_one(mount, root) {
            unmount_all(root);
            return Err(error);
        }
    }
    Ok(())
}

/// Unmounts whatever is mounted on `root`, and beneath it. What is busy is detached.
pub(crate) fn unmount_all(root: &Path) {
    while rustix::mount::unmount(root, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
}

fn mount_one(mount: &Mount, root: &Path) -> Result<(), RootfsError> {
    // A path beneath the root is the image's to choose: it could lead anywhere.
    if !mount.target.is_empty() {
        return Err(RootfsError::Target(mount.target.clone()));
    }
    std::fs::create_dir_all(root).map_err(|source| RootfsError::MountPoint {
        path: root.to_owned(),
        source,
    })?;
    let options = Options::parse(&mount.options);
    let result = match mount.kind.as_str() {
        "overlay" => mount_overlay(&options, root).or_else(|error| {
            if is_missing(error) {
                mount_classic(mount, &options, root)
            } else {
                Err(error)
            }
        }),
        _ => mount_classic(mount, &options, root),
    };
    result.map_err(|source| RootfsError::Mount {
        kind: mount.kind.clone(),
        from: mount.source.clone(),
        path: root.to_owned(),
        source,
    })
}

/// Whether the kernel lacks the new way, so that the old one is worth a try.
fn is_missing(error: Errno) -> bool {
    matches!(
        error,
        Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM
    )
}

/// fstab-style options, sorted out.
#[derive(Debug, PartialEq, Eq)]
struct Options<'a> {
    flags: MountFlags,
    bind: bool,
    recursive: bool,
    propagation: Option<MountPropagationFlags>,
    data: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn parse(options: &'a [String]) -> Self {
        let mut parsed = Self {
            flags: MountFlags::empty(),
            bind: false,
            recursive: false,
            propagation: None,
            data: Vec::new(),
        };
        for option in options {
            match option.as_str() {
                "ro" => parsed.flags |= MountFlags::RDONLY,
                "rw" => parsed.flags -= MountFlags::RDONLY,
                "nosuid" => parsed.flags |= MountFlags::NOSUID,
                "nodev" => parsed.flags |= MountFlags::NODEV,
                "noexec" => parsed.flags |= MountFlags::NOEXEC,
                "noatime" => parsed.flags |= MountFlags::NOATIME,
                "nodiratime" => parsed.flags |= MountFlags::NODIRATIME,
                "relatime" => parsed.flags |= MountFlags::RELATIME,
                "sync" => parsed.flags |= MountFlags::SYNCHRONOUS,
                "defaults" | "suid" | "dev" | "exec" | "atime" | "async" => {}
                "bind" => parsed.bind = true,
                "rbind" => (parsed.bind, parsed.recursive) = (true, true),
                "private" | "rprivate" => parsed.set(MountPropagationFlags::PRIVATE, option),
                "slave" | "rslave" => parsed.set(MountPropagationFlags::DOWNSTREAM, option),
                "shared" | "rshared" => parsed.set(MountPropagationFlags::SHARED, option),
                data => parsed.data.push(data),
            }
        }
        parsed
    }

    fn set(&mut self, kind: MountPropagationFlags, option: &str) {
        let depth = if option.starts_with('r') {
            MountPropagationFlags::REC
        } else {
            MountPropagationFlags::empty()
        };
        self.propagation = Some(kind | depth);
    }

    fn attributes(&self) -> MountAttrFlags {
        [
            (MountFlags::RDONLY, MountAttrFlags::MOUNT_ATTR_RDONLY),
            (MountFlags::NOSUID, MountAttrFlags::MOUNT_ATTR_NOSUID),
            (MountFlags::NODEV, MountAttrFlags::MOUNT_ATTR_NODEV),
            (MountFlags::NOEXEC, MountAttrFlags::MOUNT_ATTR_NOEXEC),
            (MountFlags::NOATIME, MountAttrFlags::MOUNT_ATTR_NOATIME),
            (
                MountFlags::NODIRATIME,
                MountAttrFlags::MOUNT_ATTR_NODIRATIME,
            ),
        ]
        .into_iter()
        .filter(|(flag, _)| self.flags.contains(*flag))
        .fold(MountAttrFlags::empty(), |all, (_, attribute)| {
            all | attribute
        })
    }
}

fn mount_overlay(options: &Options<'_>, path: &Path) -> Result<(), Errno> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), "source", "overlay")?;
    for option in &options.data {
        match option.split_once('=') {
            Some(("lowerdir", layers)) => {
                for layer in layers.split(':') {
                    rustix::mount::fsconfig_set_string(context.as_fd(), "lowerdir+", layer)?;
                }
            }
            Some((key, value)) => {
                rustix::mount::fsconfig_set_string(context.as_fd(), key, value)?;
            }
            None => rustix::mount::fsconfig_set_flag(context.as_fd(), *option)?,
        }
    }
    rustix::mount::fsconfig_create(context.as_fd())?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    let mount = rustix::mount::fsmount(context.as_fd(), flags, options.attributes())?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(mount.as_fd(), "", CWD, path, flags)?;
    match options.propagation {
        Some(propagation) => rustix::mount::mount_change(path, propagation),
        None => Ok(()),
    }
}

fn mount_classic(mount: &Mount, options: &Options<'_>, path: &Path) -> Result<(), Errno> {
    if options.bind || mount.kind == "bind" {
        if options.recursive {
            rustix::mount::mount_bind_recursive(mount.source.as_str(), path)?;
        } else {
            rustix::mount::mount_bind(mount.source.as_str(), path)?;
        }
        if !options.flags.is_empty() {
            rustix::mount::mount_remount(path, MountFlags::BIND | options.flags, "")?;
        }
    } else {
        let data = std::ffi::CString::new(options.data.join(",")).map_err(|_| Errno::INVAL)?;
        let (source, kind) = (mount.source.as_str(), mount.kind.as_str());
        rustix::mount::mount(source, path, kind, options.flags, data.as_c_str())?;
    }
    match options.propagation {
        Some(propagation) => rustix::mount::mount_change(path, propagation),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
