//! The bytes of the file system: superblock, one device (the tar), inodes, directories.

use std::io::{self, Write};

use rustix::fs::FileType;

use super::attributes;
use super::layout::{
    BLOCK, CHUNK_INDEX_BYTES, DIRENT_BYTES, INODES_AT, Layout, Spot, names, take_block,
    with_opaque, xattr_bytes,
};
use super::outline::{Directory, Kind, Node, NodeId, Outline};

const SUPERBLOCK_AT: usize = 1024;
const SUPERBLOCK_BYTES: usize = 128;
const MAGIC: u32 = 0xe0f5_e1e2;
/// Inodes have times of modification.
const COMPAT_MTIME: u32 = 0x2;
const INCOMPAT_CHUNKED_FILE: u32 = 0x4;
const INCOMPAT_DEVICE_TABLE: u32 = 0x8;
const BLOCK_BITS: u8 = 9;

/// An extended inode's format (bit 0) with the layout of its data (bits 1 to 3).
const FLAT_PLAIN: u16 = 1;
const FLAT_INLINE: u16 = 1 | (2 << 1);
const CHUNK_BASED: u16 = 1 | (4 << 1);
const CHUNK_INDEXES: u32 = 0x20;
/// The tar, as chunk indexes name it.
const TAR_DEVICE: u16 = 1;
/// The block of a hole (`EROFS_NULL_ADDR`).
const NOWHERE: u32 = u32::MAX;

/// Writes the file system that shows `outline`, whose contents lie in a tar of `tar_bytes`.
///
/// # Errors
/// Whatever `to` fails with.
pub(crate) fn write_index(
    outline: &Outline,
    tar_bytes: u64,
    uuid: [u8; 16],
    to: &mut impl Write,
) -> io::Result<()> {
    let layout = Layout::of(outline);
    let mut buffer = head(&layout, tar_bytes, uuid);
    let mut written = 0;
    for (number, id) in layout.order.iter().enumerate() {
        let at = usize::try_from(layout.spot(*id).at - written).expect("inodes stand in order");
        buffer.resize(at, 0);
        inode(outline.node(*id), layout.spot(*id), number, &mut buffer);
        if buffer.len() > 1 << 20 {
            to.write_all(&buffer)?;
            written += buffer.len() as u64;
            buffer.clear();
        }
    }
    pad(&mut buffer, written);
    to.write_all(&buffer)?;
    for (id, parent) in layout.order.iter().zip(&layout.parents) {
        buffer.clear();
        match &outline.node(*id).kind {
            Kind::Directory(directory) => {
                entries(directory, (*id, *parent), (outline, &layout), &mut buffer);
            }
            Kind::Symlink(target) if layout.spot(*id).data_bytes > 0 => {
                buffer.extend_from_slice(target);
            }
            _ => continue,
        }
        pad(&mut buffer, 0);
        to.write_all(&buffer)?;
    }
    Ok(())
}

/// Fills the buffer up to a block; `before` bytes were written before it.
fn pad(buffer: &mut Vec<u8>, before: u64) {
    let end = (before + buffer.len() as u64).next_multiple_of(BLOCK) - before;
    buffer.resize(usize::try_from(end).expect("less than a block more"), 0);
}

/// `struct erofs_super_block` and one `struct erofs_deviceslot`, each of 128 bytes.
fn head(layout: &Layout, tar_bytes: u64, uuid: [u8; 16]) -> Vec<u8> {
    let mut bytes = vec![0; SUPERBLOCK_AT];
    let mut put = |field: &[u8]| bytes.extend_from_slice(field);
    put(&MAGIC.to_le_bytes());
    put(&[0; 4]); // checksum: not used, the whole file has a digest
    put(&COMPAT_MTIME.to_le_bytes());
    put(&[BLOCK_BITS, 0]);
    let root = u16::try_from(layout.nid(Outline::ROOT)).expect("the root's inode is the first");
    put(&root.to_le_bytes());
    put(&(layout.order.len() as u64).to_le_bytes());
    put(&[0; 12]); // time of making: only compact inodes go by it
    put(&short(layout.blocks).to_le_bytes());
    put(&[0; 8]); // metadata and shared attributes are counted from the file's start
    put(&uuid);
    put(&[0; 16]); // name
    put(&(INCOMPAT_CHUNKED_FILE | INCOMPAT_DEVICE_TABLE).to_le_bytes());
    put(&[0; 2]); // compression
    put(&1_u16.to_le_bytes()); // devices besides this one
    put(&9_u16.to_le_bytes()); // their table, in units of 128 bytes
    put(&[0; 38]);
    put(&[0; 64]); // the device's tag
    put(&short(tar_bytes.div_ceil(BLOCK)).to_le_bytes());
    put(&[0; 60]);
    debug_assert_eq!(bytes.len(), SUPERBLOCK_AT + 2 * SUPERBLOCK_BYTES);
    bytes.resize(usize::try_from(INODES_AT).expect("a constant"), 0);
    bytes
}

/// A number of blocks: 2 TiB of them fit, and the limits on layers are below.
fn short(blocks: u64) -> u32 {
    u32::try_from(blocks).expect("the limits on a layer are below 2 TiB")
}

/// `struct erofs_inode_extended` with what follows it.
fn inode(node: &Node, spot: Spot, number: usize, to: &mut Vec<u8>) {
    let (format, size, union) = shape(&node.kind, spot);
    let body = usize::try_from(xattr_bytes(node)).expect("limited");
    let kind = file_type(&node.kind).as_raw_mode() | node.owner.mode;
    let mode = u16::try_from(kind).expect("sixteen bits");
    let ino = u32::try_from(number + 1).unwrap_or(u32::MAX);
    let start = to.len();
    to.extend_from_slice(&format.to_le_bytes());
    to.extend_from_slice(&attributes::count(body).to_le_bytes());
    to.extend_from_slice(&mode.to_le_bytes());
    to.extend_from_slice(&[0; 2]);
    to.extend_from_slice(&size.to_le_bytes());
    to.extend_from_slice(&union.to_le_bytes());
    for field in [ino, node.owner.uid, node.owner.gid] {
        to.extend_from_slice(&field.to_le_bytes());
    }
    to.extend_from_slice(&node.mtime.seconds.to_le_bytes());
    to.extend_from_slice(&node.mtime.nanos.to_le_bytes());
    to.extend_from_slice(&spot.links.to_le_bytes());
    to.extend_from_slice(&[0; 16]);
    match &node.kind {
        Kind::Directory(directory) if directory.opaque => {
            attributes::write(&with_opaque(node), to);
        }
        _ => attributes::write(&node.xattrs, to),
    }
    debug_assert_eq!(to.len() - start, 64 + body);
    match &node.kind {
        Kind::File { size, content } if *size > 0 => {
            // The inode stands at a multiple of 32.
            let unit = usize::try_from(CHUNK_INDEX_BYTES).expect("a constant");
            to.resize(start + (to.len() - start).next_multiple_of(unit), 0);
            content.for_each_chunk(*size, |at| {
                let (device, block) = at.map_or((0, NOWHERE), |at| (TAR_DEVICE, short(at / BLOCK)));
                to.extend_from_slice(&[0; 2]);
                to.extend_from_slice(&device.to_le_bytes());
                to.extend_from_slice(&block.to_le_bytes());
            });
        }
        Kind::Symlink(target) if spot.data_bytes == 0 => to.extend_from_slice(target),
        _ => {}
    }
}

/// Format, size and `i_u` of an inode.
fn shape(kind: &Kind, spot: Spot) -> (u16, u64, u32) {
    match kind {
        Kind::File { size: 0, .. } => (FLAT_PLAIN, 0, u32::MAX),
        Kind::File { size, content } => (CHUNK_BASED, *size, CHUNK_INDEXES | content.bits(*size)),
        Kind::Directory(_) => (FLAT_PLAIN, spot.data_bytes, short(spot.data_block)),
        Kind::Symlink(target) if spot.data_bytes == 0 => (FLAT_INLINE, target.len() as u64, 0),
        Kind::Symlink(_) => (FLAT_PLAIN, spot.data_bytes, short(spot.data_block)),
        Kind::Fifo => (FLAT_PLAIN, 0, 0),
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            (FLAT_PLAIN, 0, device_number(*major, *minor))
        }
    }
}

/// The kernel's `new_encode_dev`.
const fn device_number(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// A directory's blocks: in each the entries, then their names.
fn entries(
    directory: &Directory,
    (own, parent): (NodeId, NodeId),
    (outline, layout): (&Outline, &Layout),
    to: &mut Vec<u8>,
) {
    let names = names(directory, own, parent);
    let mut rest = &names[..];
    while !rest.is_empty() {
        pad(to, 0);
        let (count, _) = take_block(rest);
        let (these, after) = rest.split_at(count);
        let mut name_at = count * DIRENT_BYTES;
        for (name, id) in these {
            to.extend_from_slice(&layout.nid(*id).to_le_bytes());
            let offset = u16::try_from(name_at).expect("within a block");
            to.extend_from_slice(&offset.to_le_bytes());
            to.extend_from_slice(&[entry_type(&outline.node(*id).kind), 0]);
            name_at += name.len();
        }
        for (name, _) in these {
            to.extend_from_slice(name);
        }
        rest = after;
    }
}

/// `FT_*` of the kernel's `fs_types.h`.
const fn entry_type(kind: &Kind) -> u8 {
    match kind {
        Kind::File { .. } => 1,
        Kind::Directory(_) => 2,
        Kind::CharDevice(..) => 3,
        Kind::BlockDevice(..) => 4,
        Kind::Fifo => 5,
        Kind::Symlink(_) => 7,
    }
}

const fn file_type(kind: &Kind) -> FileType {
    match kind {
        Kind::File { .. } => FileType::RegularFile,
        Kind::Directory(_) => FileType::Directory,
        Kind::CharDevice(..) => FileType::CharacterDevice,
        Kind::BlockDevice(..) => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
        Kind::Symlink(_) => FileType::Symlink,
    }
}
