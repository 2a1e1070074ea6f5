//! What a tar's entries mean for an outline: the twin of `extract`, without a file system.

use rustix::io::Errno;

use super::attributes;
use super::chunks::{CHUNKS_MAX, Content};
use super::outline::{Directory, Kind, Node, NodeId, Outline, Owner};
use super::walk::Place;
use crate::Limits;
use crate::extract::error::{EntryError, failed, shown};
use crate::extract::path::{clean, depth, name_of, parent_of};
use crate::tar::{self, Entry};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE_MARKER: &[u8] = b".wh..wh..opq";
const AUFS_PREFIX: &[u8] = b".wh..wh.";
const MAJOR_MAX: u32 = (1 << 12) - 1;
const MINOR_MAX: u32 = (1 << 20) - 1;
const NAME_MAX: usize = 255;

/// Applies entries to an outline.
#[derive(Debug)]
pub(super) struct Applier {
    pub(super) outline: Outline,
    /// The directory that entries are being made in, because the next one is usually there too: as
    /// it was asked for, and where it is.
    current: (Vec<u8>, Place),
    limits: Limits,
    pub(super) content_bytes: u64,
    pub(super) opaque_root: bool,
    /// Whether all content lies where an index can point to.
    pub(super) fits: bool,
    /// Chunks of sparse files.
    chunks: u64,
}

impl Applier {
    pub(super) fn new(now: tar::Timestamp, limits: Limits) -> Self {
        let root = Place {
            id: Outline::ROOT,
            path: Vec::new(),
        };
        Self {
            outline: Outline::new(now, limits.tree_bytes),
            current: (Vec::new(), root),
            limits,
            content_bytes: 0,
            opaque_root: false,
            fits: true,
            chunks: 0,
        }
    }

    /// Applies one entry whose content lies at `offset`.
    pub(super) fn apply(&mut self, entry: &Entry, offset: u64) -> Result<(), EntryError> {
        let path = clean(&entry.path).map_err(|_| EntryError::Escapes)?;
        if depth(&path) > self.limits.depth {
            return Err(EntryError::Limit {
                what: "depth",
                limit: self.limits.depth as u64,
            });
        }
        if path.is_empty() {
            return self.root(entry);
        }
        self.enter(parent_of(&path))?;
        let name = name_of(&path);
        if name == OPAQUE_MARKER {
            self.opaque_root |= self.current.1.path.is_empty();
            self.make_opaque(self.here());
            return Ok(());
        }
        if name.starts_with(AUFS_PREFIX) {
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            return self.whiteout(hidden);
        }
        if name.len() > NAME_MAX {
            return Err(failed("make it")(Errno::NAMETOOLONG));
        }
        self.make(entry, &path, offset)
    }

    fn make(&mut self, entry: &Entry, path: &[u8], offset: u64) -> Result<(), EntryError> {
        let kind = match entry.kind {
            tar::Kind::Directory => return self.directory(entry, path),
            tar::Kind::HardLink => return self.hard_link(entry, name_of(path)),
            tar::Kind::File => self.file(entry, offset)?,
            tar::Kind::Symlink => self.symlink(entry),
            tar::Kind::CharDevice => device(entry).map(|(a, b)| Kind::CharDevice(a, b))?,
            tar::Kind::BlockDevice => device(entry).map(|(a, b)| Kind::BlockDevice(a, b))?,
            tar::Kind::Fifo => Kind::Fifo,
        };
        let id = self.node(entry, kind)?;
        self.outline.link(self.here(), name_of(path), id);
        Ok(())
    }

    fn here(&self) -> NodeId {
        self.current.1.id
    }

    fn enter(&mut self, path: &[u8]) -> Result<(), EntryError> {
        if path == self.current.0 {
            return Ok(());
        }
        let place = match self.outline.find(path) {
            Err(Errno::NOENT) => self.outline.make(path),
            other => other.map_err(std::io::Error::from),
        };
        self.current = (path.to_vec(), place.map_err(failed("make its directory"))?);
        Ok(())
    }

    fn root(&mut self, entry: &Entry) -> Result<(), EntryError> {
        match entry.kind {
            tar::Kind::Directory => self.describe(Outline::ROOT, entry),
            _ => Err(EntryError::Escapes),
        }
    }

    /// Gives a directory what its entry says.
    fn describe(&mut self, id: NodeId, entry: &Entry) -> Result<(), EntryError> {
        let kind = Kind::Directory(Directory::default());
        let node = self.outline.node_mut(id);
        node.owner = owner(entry);
        node.mtime = entry.mtime;
        attributes::merge(&mut node.xattrs, &entry.xattrs, &kind, &entry.path)?;
        if let Some(directory) = self.outline.directory_mut(id) {
            directory.described = true;
        }
        self.outline.account(xattr_bytes(entry))
    }

    fn directory(&mut self, entry: &Entry, path: &[u8]) -> Result<(), EntryError> {
        let name = name_of(path);
        let there = self.outline.child(self.here(), name);
        let is_directory = there.is_some_and(|id| self.outline.directory(id).is_some());
        if !is_directory {
            let hides = there.is_some_and(|id| is_whiteout(&self.outline.node(id).kind));
            let kind = Kind::Directory(Directory {
                opaque: hides,
                ..Directory::default()
            });
            let id = self.node(entry, kind)?;
            self.outline.link(self.here(), name, id);
        }
        // Its own entries come next as a rule.
        self.enter(path)?;
        self.describe(self.here(), entry)
    }

    fn file(&mut self, entry: &Entry, offset: u64) -> Result<Kind, EntryError> {
        self.content_bytes = self.content_bytes.saturating_add(entry.size);
        if self.content_bytes > self.limits.content_bytes {
            return Err(EntryError::Limit {
                what: "size of all files",
                limit: self.limits.content_bytes,
            });
        }
        let size = entry.size;
        let content = Content::of(entry, offset);
        self.fits &= content.is_some();
        let content = content.unwrap_or(Content::Whole(offset));
        if entry.segments.is_some() {
            self.chunks = self.chunks.saturating_add(content.chunks(size));
            self.fits &= self.chunks <= CHUNKS_MAX;
        }
        self.outline.account(content.bytes())?;
        Ok(Kind::File { size, content })
    }

    fn symlink(&mut self, entry: &Entry) -> Kind {
        // Wherever it leads, it is followed within the root.
        self.content_bytes = self.content_bytes.saturating_add(entry.link.len() as u64);
        Kind::Symlink(entry.link.as_slice().into())
    }

    fn hard_link(&mut self, entry: &Entry, name: &[u8]) -> Result<(), EntryError> {
        let escapes = |_| EntryError::LinkEscapes(shown(&entry.link));
        let target = clean(&entry.link).map_err(escapes)?;
        let no_target = || EntryError::NoTarget(shown(&entry.link));
        let parent = parent_of(&target);
        let place = if parent == self.current.0 {
            self.current.1.clone()
        } else {
            match self.outline.find(parent) {
                Ok(place) => place,
                Err(Errno::NOENT) => return Err(no_target()),
                Err(error) => return Err(failed("find the link's target")(error)),
            }
        };
        let found = self.outline.child(place.id, name_of(&target));
        let found = found.ok_or_else(no_target)?;
        if place.id == self.here() && name_of(&target) == name {
            // A link to itself, which some archivers write for the first of several names.
            return Ok(());
        }
        if self.outline.directory(found).is_some() {
            return Err(failed("make it")(Errno::PERM));
        }
        self.outline.account(name.len() + 64)?;
        self.outline.link(self.here(), name, found);
        Ok(())
    }

    /// See `extract`: of a directory of this layer it hides what the lower layers have there.
    fn whiteout(&mut self, hidden: &[u8]) -> Result<(), EntryError> {
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(EntryError::Whiteout);
        }
        if hidden.len() > NAME_MAX {
            return Err(failed("make a whiteout")(Errno::NAMETOOLONG));
        }
        if let Some(there) = self.outline.child(self.here(), hidden) {
            self.make_opaque(there);
            return Ok(());
        }
        let owner = Owner {
            mode: 0,
            uid: 0,
            gid: self.outline.group_for(self.here()),
        };
        let node = Node {
            kind: Kind::CharDevice(0, 0),
            owner,
            mtime: self.outline.now(),
            xattrs: Vec::new(),
        };
        let id = self.outline.add(node, hidden.len())?;
        self.outline.link(self.here(), hidden, id);
        Ok(())
    }

    fn make_opaque(&mut self, id: NodeId) {
        if let Some(directory) = self.outline.directory_mut(id) {
            directory.opaque = true;
        }
    }

    fn node(&mut self, entry: &Entry, kind: Kind) -> Result<NodeId, EntryError> {
        let mut xattrs = Vec::new();
        attributes::merge(&mut xattrs, &entry.xattrs, &kind, &entry.path)?;
        let more = name_of(&entry.path).len() + entry.link.len() + xattr_bytes(entry);
        let node = Node {
            kind,
            owner: owner(entry),
            mtime: entry.mtime,
            xattrs,
        };
        self.outline.add(node, more)
    }
}

const fn owner(entry: &Entry) -> Owner {
    Owner {
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
    }
}

fn xattr_bytes(entry: &Entry) -> usize {
    let pairs = entry.xattrs.iter();
    pairs
        .map(|(name, value)| name.len() + value.len() + 48)
        .sum()
}

const fn is_whiteout(kind: &Kind) -> bool {
    matches!(kind, Kind::CharDevice(0, 0))
}

fn device(entry: &Entry) -> Result<(u32, u32), EntryError> {
    let (major, minor) = entry.device;
    let over = match (major > MAJOR_MAX, minor > MINOR_MAX) {
        (true, _) => MAJOR_MAX,
        (_, true) => MINOR_MAX,
        _ => return Ok((major, minor)),
    };
    Err(EntryError::Limit {
        what: "device number",
        limit: over.into(),
    })
}
