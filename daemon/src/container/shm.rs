//! `/dev/shm` of containers that share it (`--ipc shareable`): a tmpfs beneath the exec root, which
//! the container and those that join it bind.
//!
//! It is mounted at the start and unmounted when the container has ended; containers that joined it
//! keep it for as long as they run. What a crash left is swept at the engine's start.

use std::{
    collections::BTreeSet,
    ffi::CString,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use gantry_ids::ContainerId;
use rustix::mount::{MountFlags, UnmountFlags};

use super::{error::ContainerError, model::Record, registry::Parts};

/// The mode that lets others join.
const SHAREABLE: &str = "shareable";

/// Where the shared memory of a container is mounted, if it shares it.
pub(super) fn path(parts: &Parts, id: &ContainerId) -> PathBuf {
    folder(parts).join(id.as_str())
}

fn folder(parts: &Parts) -> PathBuf {
    parts.config().exec_root.join("shm")
}

/// Mounts it for a container that shares it; nothing to do for others.
pub(super) fn provide(parts: &Parts, record: &Record) -> Result<Option<PathBuf>, ContainerError> {
    if record.host.ipc_mode != SHAREABLE {
        return Ok(None);
    }
    let target = path(parts, &record.id);
    let wrong = |source| ContainerError::File {
        step: "mount shared memory on",
        path: target.clone(),
        source,
    };
    // The last run's, if its end was missed.
    remove(&target).map_err(wrong)?;
    fs::create_dir_all(&target).map_err(wrong)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = format!("mode=1777,size={}", record.host.shm_size);
    let options = CString::new(options).expect("digits");
    let mounted = rustix::mount::mount("shm", &target, "tmpfs", flags, options.as_c_str());
    mounted.map_err(|error| wrong(error.into()))?;
    Ok(Some(target))
}

/// Unmounts it; no error if there is none.
pub(super) fn release(parts: &Parts, id: &ContainerId) {
    let target = path(parts, id);
    if let Err(error) = remove(&target) {
        tracing::warn!(path = %target.display(), %error, "shared memory stays mounted");
    }
}

/// Unmounts those of containers that do not run.
pub(super) fn sweep(parts: &Parts, live: &BTreeSet<ContainerId>) {
    for entry in fs::read_dir(folder(parts)).into_iter().flatten().flatten() {
        let id = entry.file_name().to_string_lossy().parse::<ContainerId>();
        if let Ok(id) = id
            && !live.contains(&id)
        {
            release(parts, &id);
        }
    }
}

fn remove(target: &Path) -> io::Result<()> {
    match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // Not there, or a folder that nothing is mounted on.
        Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    match fs::remove_dir(target) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
