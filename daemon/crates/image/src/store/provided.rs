//! What a container finds in its root besides its image: places for the engine's mounts, and the mark
//! by which programs learn that they run in a container.
//!
//! One directory beneath the layers of all containers: what an image has of its own lies above it, and
//! a start makes no files. dockerd makes the same entries in a layer of each container's own.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::ImageError;
use crate::error::failed;

/// The entries, relative to a container's root: they are no changes of the container's.
pub const PROVIDED: [&str; 12] = [
    ".dockerenv",
    "dev",
    "dev/console",
    "dev/pts",
    "dev/shm",
    "etc",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "sys",
];
/// Directories among them.
const DIRECTORIES: [&str; 6] = ["dev", "dev/pts", "dev/shm", "etc", "proc", "sys"];
/// The one link among them, and where it leads.
const LINK: (&str, &str) = ("etc/mtab", "/proc/mounts");
/// The mode of all that has one, as dockerd makes them.
const MODE: u32 = 0o755;

/// Makes the directory in the store's `root` and gives its path. What is there already stays.
pub(super) fn directory(root: &Path) -> Result<PathBuf, ImageError> {
    let directory = root.join("provided");
    make(&directory, make_directory)?;
    // Directories come before what lies in them: the list is sorted.
    for name in PROVIDED {
        let how = if DIRECTORIES.contains(&name) {
            make_directory
        } else if name == LINK.0 {
            make_link
        } else {
            make_file
        };
        make(&directory.join(name), how)?;
    }
    Ok(directory)
}

fn make(path: &Path, how: fn(&Path) -> io::Result<()>) -> Result<(), ImageError> {
    match how(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(failed("create", path)(error))
        }
        _ => Ok(()),
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(MODE).create(path)?;
    // Whatever the engine's umask is.
    fs::set_permissions(path, Permissions::from_mode(MODE))
}

fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))
}

fn make_link(path: &Path) -> io::Result<()> {
    symlink(LINK.1, path)
}
