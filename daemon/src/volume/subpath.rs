//! What is mounted for the moment between a container's start and its creation: a directory or file
//! within a volume (`volume-subpath`), the content of an image.
//!
//! Containers write into volumes, so that a path in one may be a link to anywhere by the time it is
//! mounted. It is therefore resolved beneath the volume by the kernel (`openat2(2)`), and what was found
//! is bound to a place that no container sees; the runtime binds from there, after which the place is
//! not needed any more.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_linux::mount_attr::{self, MountAttributes};
use gantry_linux::user_namespace::{self, IdRange};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags};

use super::local::Errno;

/// A path that leads nowhere within its volume.
#[derive(Debug, thiserror::Error)]
#[error("cannot access path {path}")]
pub struct NoSubpath {
    path: PathBuf,
    #[source]
    source: Errno,
}

/// The owners of files in a path cannot be mapped.
#[derive(Debug, thiserror::Error)]
#[error(
    "the owners of files in {path} cannot be mapped (idmap): its file system, or one that is mounted beneath it, or the kernel does not support it"
)]
pub struct NoOwners {
    path: PathBuf,
    #[source]
    source: Errno,
}

/// Whose files are shown as whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owners {
    /// User and group on the disk.
    pub on_disk: (u32, u32),
    /// User and group in the container.
    pub inside: (u32, u32),
}

/// Something that is mounted for the moment; taken away when dropped.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// Binds `subpath` of `volume` to `place`, which must not exist and whose folder must.
    ///
    /// # Errors
    /// [`NoSubpath`] if there is no such thing, or it leads out of the volume.
    pub fn bind(volume: &Path, subpath: &str, place: &Path) -> Result<Self, NoSubpath> {
        bind(volume, subpath, place)
            .map(|()| Self(place.to_owned()))
            .map_err(|source| NoSubpath {
                path: volume.join(subpath),
                source: Errno(source),
            })
    }

    /// Binds a path of the host to `place` with the owners of its files mapped: those of one user and group
    /// belong to another here. `flat` leaves out what is mounted beneath it.
    ///
    /// # Errors
    /// [`NoOwners`] if the kernel refuses, as it does for file systems that cannot.
    pub fn owned(
        source: &Path,
        flat: bool,
        owners: &Owners,
        place: &Path,
    ) -> Result<Self, NoOwners> {
        bind_owned(source, flat, owners, place)
            .map(|()| Self(place.to_owned()))
            .map_err(|source_of_it| NoOwners {
                path: source.to_owned(),
                source: Errno(source_of_it),
            })
    }

    /// Mounts the layers of an image, the topmost first, at `place`, read only.
    ///
    /// # Errors
    /// [`NoSubpath`] if the kernel refuses.
    pub fn image(layers: &[PathBuf], place: &Path) -> Result<Self, NoSubpath> {
        let mounted = match layers {
            // An overlay has two layers at least.
            [only] => bind(only, ".", place),
            layers => overlay(layers, place),
        };
        mounted
            .map(|()| Self(place.to_owned()))
            .map_err(|source| NoSubpath {
                path: place.to_owned(),
                source: Errno(source),
            })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        take_away(&self.0);
    }
}

fn bind(volume: &Path, subpath: &str, place: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::open(volume, flags | OFlags::DIRECTORY, Mode::empty())?;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let found = rustix::fs::openat2(&root, subpath, flags, Mode::empty(), beneath)?;
    make_place(&found, place)?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let moved = rustix::mount::open_tree(&found, "", clone)
        .map_err(io::Error::from)
        .and_then(|tree| move_privately(&tree, place));
    if moved.is_err() {
        take_away(place);
    }
    moved
}

/// What is taken away there later must not be taken away where it came from, as it would be of a tree that
/// is shared (`mount_namespaces(7)`).
fn move_privately(tree: &OwnedFd, place: &Path) -> io::Result<()> {
    let private = MountAttributes {
        propagation: mount_attr::PRIVATE,
        ..MountAttributes::default()
    };
    mount_attr::set_recursive(tree.as_fd(), private)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(rustix::mount::move_mount(
        tree,
        "",
        rustix::fs::CWD,
        place,
        flags,
    )?)
}

fn bind_owned(source: &Path, flat: bool, owners: &Owners, place: &Path) -> io::Result<()> {
    let range = |inside, outside| {
        [IdRange {
            inside,
            outside,
            count: 1,
        }]
    };
    let namespace = user_namespace::with_maps(
        &range(owners.on_disk.0, owners.inside.0),
        &range(owners.on_disk.1, owners.inside.1),
    )?;
    let found = rustix::fs::open(source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let mut clone = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    clone.set(OpenTreeFlags::AT_RECURSIVE, !flat);
    let tree = rustix::mount::open_tree(&found, "", clone)?;
    mount_attr::map_owners(tree.as_fd(), namespace.as_fd())?;
    make_place(&found, place)?;
    let moved = move_privately(&tree, place);
    if moved.is_err() {
        take_away(place);
    }
    moved
}

fn overlay(layers: &[PathBuf], place: &Path) -> io::Result<()> {
    fs::create_dir(place)?;
    let layers: Vec<_> = layers.iter().map(|dir| dir.display().to_string()).collect();
    let mounted = if layers.is_empty() {
        Ok(())
    } else {
        let options = std::ffi::CString::new(format!("lowerdir={}", layers.join(":")))?;
        let flags = rustix::mount::MountFlags::RDONLY;
        rustix::mount::mount("overlay", place, "overlay", flags, options.as_c_str())
    };
    if mounted.is_err() {
        take_away(place);
    }
    Ok(mounted?)
}

/// A mount point of the same kind.
fn make_place(found: &OwnedFd, place: &Path) -> io::Result<()> {
    let mode = rustix::fs::fstat(found)?.st_mode;
    if FileType::from_raw_mode(mode) == FileType::Directory {
        fs::create_dir(place)
    } else {
        fs::File::create_new(place).map(drop)
    }
}

/// The mount and its mount point; never anything beneath it.
fn take_away(place: &Path) {
    // There is none where a killed daemon had not come further than its place.
    let _ = rustix::mount::unmount(place, UnmountFlags::DETACH);
    drop(fs::remove_dir(place).or_else(|_| fs::remove_file(place)));
}

/// Takes away what a killed daemon left in the folder of places.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        take_away(&entry.path());
    }
}

/// Whether a subpath may be one at all: relative, and not above where it starts.
#[must_use]
pub fn is_within(subpath: &str) -> bool {
    let mut depth = 0_usize;
    for part in subpath.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    !subpath.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subpath_is_bound_and_a_link_out_of_the_volume_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (volume, place) = (dir.path().join("v"), dir.path().join("p"));
        fs::create_dir_all(volume.join("a/b")).unwrap();
        fs::write(volume.join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink("/", volume.join("out")).unwrap();
        std::os::unix::fs::symlink("a", volume.join("in")).unwrap();
        for path in ["a/b", "in/b"] {
            let bound = Place::bind(&volume, path, &place).unwrap();
            assert_eq!(fs::read_to_string(bound.path().join("file")).unwrap(), "x");
            drop(bound);
            assert!(!place.exists());
        }
        let file = Place::bind(&volume, "a/b/file", &place).unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "x");
        drop(file);
        for path in ["out", "out/etc", "none"] {
            assert!(Place::bind(&volume, path, &place).is_err(), "{path}");
            assert!(!place.exists());
        }
        assert_eq!(fs::read_to_string(volume.join("a/b/file")).unwrap(), "x");
    }

    #[test]
    fn what_is_mounted_beneath_a_volume_stays_when_its_place_goes() {
        use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
        let dir = tempfile::tempdir().unwrap();
        let (volume, place) = (dir.path().join("v"), dir.path().join("p"));
        fs::create_dir(&volume).unwrap();
        let tmpfs = |at: &Path| mount("tmpfs", at, "tmpfs", MountFlags::empty(), None).unwrap();
        tmpfs(&volume);
        let _unmounted_at_the_end = Place(volume.clone());
        // As systemd has all mounts of a host.
        mount_change(&volume, MountPropagationFlags::SHARED).unwrap();
        let inner = volume.join("a/inner");
        fs::create_dir_all(&inner).unwrap();
        tmpfs(&inner);
        fs::write(inner.join("file"), "x").unwrap();
        let bound = Place::bind(&volume, "a", &place).unwrap();
        assert!(bound.path().join("inner/file").exists());
        drop(bound);
        assert!(inner.join("file").exists(), "unmounted at the host's place");
    }

    #[test]
    fn files_of_one_owner_are_shown_as_anothers_and_stay_the_owners() {
        use std::os::unix::fs::{MetadataExt, chown};
        let dir = tempfile::tempdir().unwrap();
        let (source, place) = (dir.path().join("s"), dir.path().join("p"));
        fs::create_dir(&source).unwrap();
        fs::write(source.join("own"), "x").unwrap();
        fs::write(source.join("foreign"), "x").unwrap();
        for path in [source.clone(), source.join("own")] {
            chown(path, Some(1234), Some(2345)).unwrap();
        }
        let owners = Owners {
            on_disk: (1234, 2345),
            inside: (0, 7),
        };
        let shown = Place::owned(&source, false, &owners, &place).unwrap();
        let owner = |path: PathBuf| fs::metadata(path).map(|m| (m.uid(), m.gid())).unwrap();
        assert_eq!(owner(shown.path().join("own")), (0, 7));
        assert_eq!(owner(shown.path().join("foreign")), (65534, 65534));
        chown(shown.path().join("own"), Some(0), Some(7)).unwrap();
        drop(shown);
        assert!(!place.exists());
        assert_eq!(owner(source.join("own")), (1234, 2345));
        let refused = Place::owned(Path::new("/proc/sys"), true, &owners, &place).unwrap_err();
        assert!(
            refused.to_string().contains("/proc/sys cannot be mapped"),
            "{refused}"
        );
        assert!(!place.exists());
    }

    #[test]
    fn paths_that_leave_are_known_by_their_words() {
        for path in ["a", "a/../b", "./a", ""] {
            assert!(is_within(path), "{path}");
        }
        for path in ["..", "a/../../b", "/a"] {
            assert!(!is_within(path), "{path}");
        }
    }
}
