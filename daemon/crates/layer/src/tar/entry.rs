//! One entry: its header fields and extended headers put together.

use std::sync::Arc;

use super::field::Block;
use super::pax::Extended;
use super::{Segment, TarError};
use crate::Limits;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name of a file that came before.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// A time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timestamp {
    /// Seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds, 0–999,999,999, always forward.
    pub nanos: u32,
}

/// One entry of a tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as it was written: not cleaned, without NUL, not empty.
    pub path: Vec<u8>,
    /// What it makes.
    pub kind: Kind,
    /// The target of a hard or symbolic link.
    pub link: Vec<u8>,
    /// Permission bits with set-user, set-group and sticky bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When it was modified.
    pub mtime: Timestamp,
    /// Bytes of the file, holes included.
    pub size: u64,
    /// Of a sparse file the parts that are no holes, in order, none of them empty.
    pub segments: Option<Arc<[Segment]>>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Puts a header block and what came before it together. The size is what follows: what a sparse
/// file's size is, and where its segments lie, is said elsewhere.
pub(super) fn decode(
    block: &Block,
    extended: Extended,
    limits: &Limits,
) -> Result<Entry, TarError> {
    let path = extended.path.unwrap_or_else(|| block.path());
    let link = extended.link.unwrap_or_else(|| block.link());
    check_name(&path, "path", limits)?;
    let kind = kind(block.type_flag(), &path)?;
    if matches!(kind, Kind::HardLink | Kind::Symlink) {
        check_name(&link, "link target", limits)?;
    }
    let device = match kind {
        Kind::CharDevice | Kind::BlockDevice => {
            let (major, minor) = block.device()?;
            (id(major, "device number")?, id(minor, "device number")?)
        }
        _ => (0, 0),
    };
    let mtime = match extended.mtime {
        Some(mtime) => mtime,
        None => Timestamp {
            seconds: block.mtime()?,
            nanos: 0,
        },
    };
    let mode = u32::try_from(block.mode()? & 0o7777).expect("twelve bits");
    // Only files have content, whatever the size says: a hard link's may be its target's
    // (POSIX.1-2017), and Go's reader takes the others so.
    let size = match kind {
        Kind::File => extended.size.map_or_else(|| block.size(), Ok)?,
        Kind::HardLink
        | Kind::Symlink
        | Kind::CharDevice
        | Kind::BlockDevice
        | Kind::Directory
        | Kind::Fifo => 0,
    };
    Ok(Entry {
        path,
        kind,
        link,
        mode,
        uid: owner(extended.uid.map_or_else(|| block.uid(), Ok)?, "uid")?,
        gid: owner(extended.gid.map_or_else(|| block.gid(), Ok)?, "gid")?,
        mtime,
        size,
        segments: None,
        device,
        xattrs: extended.xattrs,
    })
}

fn kind(flag: u8, path: &[u8]) -> Result<Kind, TarError> {
    Ok(match flag {
        0 if path.ends_with(b"/") => Kind::Directory,
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => return Err(TarError::Type(char::from(other))),
    })
}

fn check_name(name: &[u8], what: &'static str, limits: &Limits) -> Result<(), TarError> {
    if name.len() > limits.path_bytes {
        return Err(TarError::Limit {
            what,
            limit: limits.path_bytes as u64,
        });
    }
    if name.is_empty() || name.contains(&0) {
        Err(TarError::Name(what))
    } else {
        Ok(())
    }
}

fn id(number: u64, what: &'static str) -> Result<u32, TarError> {
    u32::try_from(number).map_err(|_| TarError::Number(what))
}

/// All ones means "leave as it is" to the kernel and is nobody's number.
fn owner(number: u64, what: &'static str) -> Result<u32, TarError> {
    id(number, what).and_then(|id| {
        if id == u32::MAX {
            Err(TarError::Number(what))
        } else {
            Ok(id)
        }
    })
}
