//! `diff`: what a container has changed, read off its writable layer.
//!
//! dockerd compares two whole mounted trees. Here only the overlay's upper directory is walked, and
//! what it holds is looked up in the image's layers: the work is that of the changes, and the upper
//! directory of a running container is never mounted a second time. What counts as a change is
//! dockerd's: kind, mode, owner, device, capabilities, and of what is no directory size and time.
//! Siblings come by name (dockerd has them in no order); a directory comes before what is in it, and
//! what was deleted from it comes last.
//!
//! Overlay's marks are those of the kernel's `Documentation/filesystems/overlayfs.rst`: a whiteout is
//! a character device 0:0, an opaque directory hides all beneath it, a redirected one shows another.

mod node;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    io,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

use gantry_engine_api::container::FilesystemChange;
use gantry_image::PROVIDED;
use rustix::{fs::FileType, io::Errno};

use self::node::Node;
use super::{
    archive::Root,
    error::ContainerError,
    registry::{Containers, Handle},
};

/// How deep a tree may be: a path has 4096 bytes in Linux, and the walk is recursive.
const DEPTH_MAX: usize = 1000;

impl Containers {
    /// What the container has changed in its root file system.
    ///
    /// # Errors
    /// The layers cannot be read.
    pub async fn changes(&self, handle: &Handle) -> Result<Vec<FilesystemChange>, ContainerError> {
        let (parts, record) = (self.parts.clone(), handle.record());
        super::create::blocking(move || {
            let rw = parts.rw(&record.id);
            let rootfs = parts
                .images
                .adopt_rootfs(&record.id, record.chain.as_ref(), &rw)?;
            let wrong = |source| ContainerError::File {
                step: "compare",
                path: rw.clone(),
                source,
            };
            let upper = Root::of_directory(&rootfs.upper).map_err(wrong)?;
            let lower = Root::of_lowers(&rootfs.lowers).map_err(wrong)?;
            compare(upper.as_fd(), lower.as_fd()).map_err(wrong)
        })
        .await
    }
}

/// Compares the tree that an upper directory over a lower one shows with the lower one.
fn compare(upper: BorrowedFd<'_>, lower: BorrowedFd<'_>) -> io::Result<Vec<FilesystemChange>> {
    let mut walk = Walk {
        upper,
        lower,
        changes: Vec::new(),
    };
    let root = Place {
        upper: Some(PathBuf::new()),
        beneath: Some(PathBuf::new()),
        in_image: true,
        depth: 0,
    };
    walk.directory(Path::new(""), &root)?;
    Ok(walk.changes)
}

/// A directory as the container sees it.
struct Place {
    /// Where it is in the upper directory; none if only the image has it.
    upper: Option<PathBuf>,
    /// Which directory of the image shows through it.
    beneath: Option<PathBuf>,
    /// The image has a directory at the same path.
    in_image: bool,
    depth: usize,
}

/// What a name in a directory stands for.
enum Entry {
    Upper(Node),
    /// Not in the upper directory: at this path of the image.
    Image(PathBuf, Node),
}

impl Entry {
    const fn node(&self) -> &Node {
        match self {
            Self::Upper(node) | Self::Image(_, node) => node,
        }
    }
}

struct Walk<'a> {
    upper: BorrowedFd<'a>,
    lower: BorrowedFd<'a>,
    changes: Vec<FilesystemChange>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &Path, place: &Place) -> io::Result<()> {
        if place.depth > DEPTH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let mut gone = BTreeSet::new();
        let mut entries = BTreeMap::new();
        if let Some(upper) = &place.upper {
            for (name, node) in node::list(self.upper, upper)? {
                if node.is_whiteout() {
                    gone.insert(name);
                } else {
                    entries.insert(name, Entry::Upper(node));
                }
            }
        }
        let transparent = place.in_image && place.beneath.as_deref() == Some(path);
        if !transparent {
            self.complete(path, place, &mut entries, &mut gone)?;
        }
        for (name, entry) in entries {
            self.entry(path, &name, &entry, place)?;
        }
        for name in gone {
            let path = path.join(name);
            if place.in_image && node::at(self.lower, &path)?.is_some() {
                self.note(&path, FilesystemChange::DELETED);
            }
        }
        Ok(())
    }

    /// A directory that does not show the image's directory of the same path: adds what shows
    /// through it from elsewhere, and names what the image has there and it has not.
    fn complete(
        &self,
        path: &Path,
        place: &Place,
        entries: &mut BTreeMap<OsString, Entry>,
        gone: &mut BTreeSet<OsString>,
    ) -> io::Result<()> {
        if let Some(beneath) = &place.beneath {
            for (name, node) in node::list(self.lower, beneath)? {
                if !node.is_whiteout() && !gone.contains(&name) {
                    let at = beneath.join(&name);
                    entries.entry(name).or_insert(Entry::Image(at, node));
                }
            }
        }
        gone.clear();
        if place.in_image {
            let names = node::list(self.lower, path)?;
            let names = names.into_iter().filter(|(_, node)| !node.is_whiteout());
            gone.extend(
                names
                    .map(|(name, _)| name)
                    .filter(|name| !entries.contains_key(name)),
            );
        }
        Ok(())
    }

    fn entry(
        &mut self,
        parent: &Path,
        name: &OsStr,
        entry: &Entry,
        place: &Place,
    ) -> io::Result<()> {
        let path = parent.join(name);
        let old = if place.in_image {
            node::at(self.lower, &path)?
        } else {
            None
        };
        let before = self.changes.len();
        let node = entry.node();
        match &old {
            None if is_provided(&path) => {}
            None => self.note(&path, FilesystemChange::ADDED),
            Some(old) if node.differs(old) => self.note(&path, FilesystemChange::MODIFIED),
            Some(_) => {}
        }
        let listed = self.changes.len() > before;
        if node.kind() == FileType::Directory {
            let inner = self.inner(&path, name, entry, place)?;
            let inner = Place {
                in_image: old.is_some_and(|old| old.kind() == FileType::Directory),
                ..inner
            };
            self.directory(&path, &inner)?;
            if !listed && self.changes.len() > before {
                // A directory is told with what is in it, as dockerd does.
                self.note(&path, FilesystemChange::MODIFIED);
                self.changes[before..].rotate_right(1);
            }
        }
        Ok(())
    }

    /// What a directory in `place` shows.
    fn inner(&self, path: &Path, name: &OsStr, entry: &Entry, place: &Place) -> io::Result<Place> {
        let (upper, beneath) = match entry {
            Entry::Image(at, _) => (None, Some(at.clone())),
            Entry::Upper(node) if node.is_opaque() => (Some(path.to_owned()), None),
            Entry::Upper(node) => {
                let beneath = node.redirected(place.beneath.as_deref(), name);
                let shown = match beneath {
                    Some(at) => node::at(self.lower, &at)?
                        .filter(|node| node.kind() == FileType::Directory)
                        .map(|_| at),
                    None => None,
                };
                (Some(path.to_owned()), shown)
            }
        };
        Ok(Place {
            upper,
            beneath,
            in_image: false,
            depth: place.depth + 1,
        })
    }

    fn note(&mut self, path: &Path, kind: u8) {
        let path = format!("/{}", path.to_string_lossy());
        self.changes.push(FilesystemChange { path, kind });
    }
}

fn is_provided(path: &Path) -> bool {
    PROVIDED.iter().any(|own| path == Path::new(own))
}
