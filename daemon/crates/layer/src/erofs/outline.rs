//! The tree of a layer's files in memory, without their contents.

use std::collections::{BTreeMap, VecDeque};

use super::chunks::Content;
use crate::extract::error::EntryError;
use crate::tar::Timestamp;

/// Directories that a tar forgets to mention get docker's mode, as in `extract`.
pub(super) const IMPLIED_MODE: u32 = 0o755;
/// What a node costs besides its names and attributes: itself and its place in a map.
const NODE_BYTES: usize = size_of::<Node>() + 64;

/// Which node; the first is the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(u32);

/// A file, directory, link or device.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) owner: Owner,
    pub(super) mtime: Timestamp,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    Directory(Directory),
    /// Its content lies in the tar.
    File {
        size: u64,
        content: Content,
    },
    Symlink(Box<[u8]>),
    Fifo,
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
}

/// The names in a directory.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) children: BTreeMap<Box<[u8]>, NodeId>,
    /// An entry of the tar describes it.
    pub(super) described: bool,
    /// It hides what lower layers have there.
    pub(super) opaque: bool,
}

/// What a directory is in the layers beneath.
#[derive(Debug)]
pub(crate) struct Beneath {
    owner: Owner,
    mtime: Timestamp,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Beneath {
    pub(crate) fn new(stat: &rustix::fs::Stat, xattrs: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self {
            owner: Owner {
                mode: stat.st_mode & 0o7777,
                uid: stat.st_uid,
                gid: stat.st_gid,
            },
            mtime: Timestamp {
                seconds: stat.st_mtime,
                nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            },
            xattrs,
        }
    }
}

/// A layer's files.
#[derive(Debug)]
pub(crate) struct Outline {
    nodes: Vec<Node>,
    bytes: usize,
    bytes_max: usize,
    /// The time of what no entry describes.
    now: Timestamp,
}

impl Outline {
    pub(super) fn new(now: Timestamp, bytes_max: usize) -> Self {
        let root = Node {
            kind: Kind::Directory(Directory {
                described: true,
                ..Directory::default()
            }),
            owner: Owner {
                mode: IMPLIED_MODE,
                uid: 0,
                gid: 0,
            },
            mtime: now,
            xattrs: Vec::new(),
        };
        Self {
            nodes: vec![root],
            bytes: NODE_BYTES,
            bytes_max,
            now,
        }
    }

    pub(super) const ROOT: NodeId = NodeId(0);

    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// The directory; none if the node is something else.
    pub(super) fn directory(&self, id: NodeId) -> Option<&Directory> {
        match &self.node(id).kind {
            Kind::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(super) fn directory_mut(&mut self, id: NodeId) -> Option<&mut Directory> {
        match &mut self.node_mut(id).kind {
            Kind::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// What lies under a name in a directory.
    pub(super) fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        self.directory(directory)?.children.get(name).copied()
    }

    /// Puts a node under a name, in place of whatever lies there.
    pub(super) fn link(&mut self, directory: NodeId, name: &[u8], id: NodeId) {
        if let Some(directory) = self.directory_mut(directory) {
            directory.children.insert(name.into(), id);
        }
    }

    /// Makes a node that has no name yet. `more_bytes` is what its name and attributes take.
    pub(super) fn add(&mut self, node: Node, more_bytes: usize) -> Result<NodeId, EntryError> {
        self.account(NODE_BYTES + more_bytes)?;
        let id = u32::try_from(self.nodes.len()).expect("the limit on memory is far below");
        self.nodes.push(node);
        Ok(NodeId(id))
    }

    pub(super) fn account(&mut self, bytes: usize) -> Result<(), EntryError> {
        self.bytes += bytes;
        if self.bytes > self.bytes_max {
            return Err(EntryError::Limit {
                what: "memory for the tree",
                limit: self.bytes_max as u64,
            });
        }
        Ok(())
    }

    /// How many nodes were made, those that were replaced included.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Directories that no entry describes, by their paths.
    pub(crate) fn implied(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut waiting = VecDeque::from([(Vec::new(), Self::ROOT)]);
        while let Some((path, id)) = waiting.pop_front() {
            let Some(directory) = self.directory(id) else {
                continue;
            };
            if !directory.described {
                found.push(path.clone());
            }
            for (name, child) in &directory.children {
                if self.directory(*child).is_some() {
                    waiting.push_back((crate::extract::path::join(&path, name), *child));
                }
            }
        }
        found.sort();
        found
    }

    /// Gives a directory what it has in the layers beneath.
    pub(crate) fn complete(&mut self, path: &[u8], beneath: Beneath) {
        let mut id = Self::ROOT;
        for name in path.split(|byte| *byte == b'/') {
            match self.child(id, name) {
                Some(child) => id = child,
                None => return,
            }
        }
        let node = self.node_mut(id);
        node.owner = beneath.owner;
        node.mtime = beneath.mtime;
        node.xattrs = beneath.xattrs;
    }
}

impl NodeId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}
