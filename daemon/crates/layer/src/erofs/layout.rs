//! Where everything stands in the file: computed before a byte is written, because directories name
//! inodes by their places.

use super::attributes::body_bytes;
use super::outline::{Directory, Kind, Node, NodeId, Outline};

/// Blocks are as large as a tar's, so that a file's content begins at a block.
pub(super) const BLOCK: u64 = 512;
/// Superblock (at 1024, 128 bytes) and device slot; inodes begin with the next block.
pub(super) const INODES_AT: u64 = 3 * BLOCK;
/// Inodes are named by their place in units of 32 bytes.
pub(super) const SLOT: u64 = 32;
/// `struct erofs_inode_extended`: the form that has a time of its own.
pub(super) const INODE_BYTES: u64 = 64;
/// `struct erofs_inode_chunk_index`.
pub(super) const CHUNK_INDEX_BYTES: u64 = 8;
pub(super) const DIRENT_BYTES: usize = 12;

/// The attribute that makes a directory hide what lies beneath (overlayfs, "opaque directories").
pub(super) const OPAQUE: (&str, &[u8]) = (crate::extract::attributes::OPAQUE, b"y");

/// Where one node stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spot {
    /// Bytes from the file's start to its inode; 0 for a node that nothing leads to.
    pub(super) at: u64,
    /// Its names; of a directory also its own and its children's.
    pub(super) links: u32,
    /// The block where a directory's or a long link's data begins.
    pub(super) data_block: u64,
    /// Bytes of that data; none if it stands behind the inode.
    pub(super) data_bytes: u64,
}

/// Where all nodes stand.
#[derive(Debug)]
pub(super) struct Layout {
    /// In the order of their inodes; a directory's children follow each other.
    pub(super) order: Vec<NodeId>,
    /// The directory each directory lies in, in the same order; of others nothing.
    pub(super) parents: Vec<NodeId>,
    spots: Vec<Spot>,
    pub(super) blocks: u64,
}

impl Layout {
    pub(super) fn of(outline: &Outline) -> Self {
        let mut layout = Self {
            order: vec![Outline::ROOT],
            parents: vec![Outline::ROOT],
            spots: vec![Spot::default(); outline.len()],
            blocks: 0,
        };
        layout.visit(outline);
        let inodes_end = layout.place_inodes(outline);
        layout.place_data(inodes_end);
        layout
    }

    pub(super) fn spot(&self, id: NodeId) -> Spot {
        self.spots[id.index()]
    }

    /// The number that a directory calls an inode by.
    pub(super) fn nid(&self, id: NodeId) -> u64 {
        self.spot(id).at / SLOT
    }

    /// Finds what can be reached, and how often it is named.
    fn visit(&mut self, outline: &Outline) {
        self.spots[Outline::ROOT.index()].links = 2;
        let mut next = 0;
        while let Some(id) = self.order.get(next).copied() {
            next += 1;
            let Some(directory) = outline.directory(id) else {
                continue;
            };
            for child in directory.children.values() {
                let is_directory = outline.directory(*child).is_some();
                let spot = &mut self.spots[child.index()];
                if spot.links == 0 {
                    self.order.push(*child);
                    self.parents.push(id);
                }
                spot.links += if is_directory { 2 } else { 1 };
                self.spots[id.index()].links += u32::from(is_directory);
            }
        }
    }

    fn place_inodes(&mut self, outline: &Outline) -> u64 {
        let mut end = INODES_AT;
        for id in &self.order {
            let node = outline.node(*id);
            let spot = &mut self.spots[id.index()];
            spot.at = end.next_multiple_of(SLOT);
            let head = INODE_BYTES + xattr_bytes(node);
            end = spot.at + head;
            match &node.kind {
                Kind::File { size, content } if *size > 0 => {
                    let chunks = content.chunks(*size) * CHUNK_INDEX_BYTES;
                    end = end.next_multiple_of(CHUNK_INDEX_BYTES) + chunks;
                }
                Kind::Directory(directory) => spot.data_bytes = directory_bytes(directory),
                Kind::Symlink(target) => {
                    let len = target.len() as u64;
                    match inline_at(spot.at, head, len) {
                        Some(at) => {
                            spot.at = at;
                            end = at + head + len;
                        }
                        None => spot.data_bytes = len,
                    }
                }
                Kind::File { .. } | Kind::Fifo | Kind::CharDevice(..) | Kind::BlockDevice(..) => {}
            }
        }
        end
    }

    fn place_data(&mut self, inodes_end: u64) {
        let mut block = inodes_end.div_ceil(BLOCK);
        for id in &self.order {
            let spot = &mut self.spots[id.index()];
            if spot.data_bytes > 0 {
                spot.data_block = block;
                block += spot.data_bytes.div_ceil(BLOCK);
            }
        }
        self.blocks = block;
    }
}

/// Bytes of attributes behind a node's inode.
pub(super) fn xattr_bytes(node: &Node) -> u64 {
    match &node.kind {
        Kind::Directory(directory) if directory.opaque => body_bytes(&with_opaque(node)) as u64,
        _ => body_bytes(&node.xattrs) as u64,
    }
}

/// An opaque directory's attributes.
pub(super) fn with_opaque(node: &Node) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = node.xattrs.clone();
    all.push((OPAQUE.0.into(), OPAQUE.1.into()));
    all
}

/// Where the inode of a link must stand for its target to follow it within one block.
const fn inline_at(at: u64, head: u64, len: u64) -> Option<u64> {
    if (at + head) % BLOCK + len <= BLOCK {
        return Some(at);
    }
    let next = at.next_multiple_of(BLOCK);
    if (next + head) % BLOCK + len <= BLOCK {
        return Some(next);
    }
    None
}

/// The names of a directory with its own two, sorted as the kernel searches them.
pub(super) fn names<'a>(
    directory: &'a Directory,
    own: NodeId,
    parent: NodeId,
) -> Vec<(&'a [u8], NodeId)> {
    let children = directory.children.iter().map(|(name, id)| (&**name, *id));
    let mut all: Vec<(&'a [u8], NodeId)> = children.collect();
    for (name, id) in [(&b"."[..], own), (b"..", parent)] {
        let at = all.partition_point(|(other, _)| *other < name);
        all.insert(at, (name, id));
    }
    all
}

/// How many of `names` fit the next block, and the bytes they take there.
pub(super) fn take_block(names: &[(&[u8], NodeId)]) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    for (name, _) in names {
        let more = bytes + DIRENT_BYTES + name.len();
        if more as u64 > BLOCK {
            break;
        }
        (count, bytes) = (count + 1, more);
    }
    (count, bytes)
}

fn directory_bytes(directory: &Directory) -> u64 {
    let names = names(directory, Outline::ROOT, Outline::ROOT);
    let mut rest = &names[..];
    let mut size = 0;
    loop {
        let (count, bytes) = take_block(rest);
        rest = &rest[count..];
        if rest.is_empty() {
            return size + bytes as u64;
        }
        size += BLOCK;
    }
}
