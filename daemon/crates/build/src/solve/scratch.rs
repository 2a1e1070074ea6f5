//! What a step needs of the disk while it goes on, and what a killed engine left of it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_image::ImageStore;
use gantry_layer::LayerStore;
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};

use crate::Extent;
use crate::memory::{Memory, Room};

/// The directories of a step. Dropped, all that is mounted in them is unmounted and they are gone.
#[derive(Debug)]
pub(super) struct Scratch {
    images: Arc<ImageStore>,
    /// On the layers' file system.
    pub(super) disk: PathBuf,
    /// In memory.
    pub(super) run: PathBuf,
    mounted: Vec<PathBuf>,
    /// What the layer is written in, if it is in memory.
    room: Option<Room>,
}

impl Scratch {
    /// Makes both directories for a step of this id.
    pub(super) fn new(
        images: &Arc<ImageStore>,
        (root, run): (&Path, &Path),
        id: &str,
    ) -> io::Result<Self> {
        let scratch = Self {
            images: Arc::clone(images),
            disk: steps(root).join(id),
            run: steps(run).join(id),
            mounted: Vec::new(),
            room: None,
        };
        make(&scratch.disk)?;
        make(&scratch.run)?;
        Ok(scratch)
    }

    /// Where a layer of so many files is written until it is kept: in memory, if there is room.
    pub(super) fn layer(&mut self, memory: &Arc<Memory>, extent: Option<Extent>) -> PathBuf {
        let room = extent.and_then(|extent| memory.room(extent));
        let Some(room) = room else {
            return self.disk.clone();
        };
        match self.attach(room.mount(), "layer") {
            Ok(path) => {
                self.room = Some(room);
                path
            }
            Err(error) => {
                tracing::debug!(%error, "a room in memory cannot be attached");
                self.disk.clone()
            }
        }
    }

    /// Attaches a mount that nobody can see yet at a new directory; answers where.
    pub(super) fn attach(&mut self, mount: &OwnedFd, name: &str) -> io::Result<PathBuf> {
        let target = self.run.join(name);
        make(&target)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(mount.as_fd(), "", rustix::fs::CWD, &target, flags)?;
        self.mounted.push(target.clone());
        Ok(target)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for target in self.mounted.drain(..).rev() {
            if let Err(error) = unmount(&target, UnmountFlags::DETACH) {
                tracing::warn!(path = %target.display(), %error, "a build left a mount");
            }
        }
        if let Err(error) = fs::remove_dir_all(&self.run) {
            tracing::warn!(path = %self.run.display(), %error, "a build left files");
        }
        if let Err(error) = self.images.layers().discard(&self.disk) {
            tracing::warn!(path = %self.disk.display(), %error, "a build left files");
        }
    }
}

/// Where cache mounts lie.
pub(super) fn caches(root: &Path) -> PathBuf {
    root.join("mounts")
}

fn steps(root: &Path) -> PathBuf {
    root.join("steps")
}

pub(super) fn make(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Unmounts all that is mounted beneath a directory.
///
/// # Errors
/// Whatever the kernel says.
pub fn unmount_beneath(directory: &Path) -> io::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let targets = targets.map(Path::new);
    let targets: Vec<_> = targets.filter(|path| path.starts_with(directory)).collect();
    for target in targets.into_iter().rev() {
        unmount(target, UnmountFlags::DETACH)?;
    }
    Ok(())
}

/// Makes the solver's directories; what steps of a killed engine left is unmounted and removed.
pub(super) fn sweep(root: &Path, run: &Path) -> io::Result<()> {
    let run_steps = steps(run);
    unmount_beneath(&run_steps)?;
    for left in [run_steps, steps(root)] {
        match fs::remove_dir_all(&left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => make(&left)?,
        }
    }
    make(&caches(root))
}
