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

/// The directories of a step. Dropped, all that is mounted in them is unmounted and they are gone.
#[derive(Debug)]
pub(super) struct Scratch {
    images: Arc<ImageStore>,
    /// On the layers' file system.
    pub(super) disk: PathBuf,
    /// In memory.
    pub(super) run: PathBuf,
    mounted: Vec<PathBuf>,
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
        };
        make(&scratch.disk)?;
        make(&scratch.run)?;
        Ok(scratch)
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

/// Makes the solver's directories; what steps of a killed engine left is unmounted and removed.
pub(super) fn sweep(root: &Path, run: &Path) -> io::Result<()> {
    let run_steps = steps(run);
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    for target in targets
        .map(Path::new)
        .filter(|path| path.starts_with(&run_steps))
    {
        unmount(target, UnmountFlags::DETACH)?;
    }
    for left in [run_steps, steps(root)] {
        match fs::remove_dir_all(&left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => make(&left)?,
        }
    }
    make(&caches(root))
}
