//! Extended attributes: which a layer may have, and how EROFS writes them.

use rustix::io::Errno;

use super::outline::Kind;
use crate::extract::attributes::OVERLAYS_OWN;
use crate::extract::error::{EntryError, failed, shown};

/// Name prefixes and their numbers (`EROFS_XATTR_INDEX_*`).
const PREFIXES: [(&[u8], u8); 5] = [
    (b"user.", 1),
    (ACL_ACCESS, 2),
    (ACL_DEFAULT, 3),
    (b"trusted.", 4),
    (b"security.", 6),
];
const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";
const NAME_MAX: usize = 255;
/// `struct erofs_xattr_ibody_header` without shared attributes.
const HEADER_BYTES: usize = 12;
/// What `i_xattr_icount` can count.
const BODY_MAX_BYTES: usize = HEADER_BYTES + (u16::MAX as usize - 1) * 4;

/// Adds a tar's attributes to a node's, a later one over an earlier one of its name. What means
/// something to overlay, or has no place on such a file, is left out with a warning, as on a
/// directory.
pub(super) fn merge(
    into: &mut Vec<(Vec<u8>, Vec<u8>)>,
    from: &[(Vec<u8>, Vec<u8>)],
    kind: &Kind,
    path: &[u8],
) -> Result<(), EntryError> {
    for (name, value) in from {
        if !has_place(name, kind) {
            tracing::warn!(
                path = %shown(path),
                attribute = %shown(name),
                "left out an attribute that a layer cannot have here"
            );
            continue;
        }
        check(name, value).map_err(failed("set an extended attribute"))?;
        match into.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => known.clone_from(value),
            None => into.push((name.clone(), value.clone())),
        }
    }
    if body_bytes(into) > BODY_MAX_BYTES {
        return Err(failed("set an extended attribute")(Errno::TOOBIG));
    }
    Ok(())
}

/// Whether a file of this kind can have the attribute. Users' attributes belong to files and
/// directories (xattr(7)).
fn has_place(name: &[u8], kind: &Kind) -> bool {
    if OVERLAYS_OWN.iter().any(|prefix| name.starts_with(prefix)) {
        return false;
    }
    let is_plain = matches!(kind, Kind::Directory(_) | Kind::File { .. });
    match name {
        ACL_ACCESS => !matches!(kind, Kind::Symlink(_)),
        ACL_DEFAULT => matches!(kind, Kind::Directory(_)),
        _ if name.starts_with(b"user.") => is_plain,
        _ => name.starts_with(b"trusted.") || name.starts_with(b"security."),
    }
}

/// What the kernel would refuse to set.
fn check(name: &[u8], value: &[u8]) -> Result<(), Errno> {
    if name.len() > NAME_MAX || name.contains(&0) {
        return Err(Errno::RANGE);
    }
    if name.ends_with(b".") && PREFIXES.iter().any(|(prefix, _)| *prefix == name) {
        return Err(Errno::INVAL);
    }
    let is_acl = name == ACL_ACCESS || name == ACL_DEFAULT;
    // posix_acl_xattr.h: a version, then entries of eight bytes.
    if is_acl && (!value.starts_with(&[2, 0, 0, 0]) || value.len() % 8 != 4) {
        return Err(Errno::INVAL);
    }
    u16::try_from(value.len())
        .map(drop)
        .map_err(|_| Errno::TOOBIG)
}

/// Bytes of the attributes behind an inode; none without attributes.
pub(super) fn body_bytes(xattrs: &[(Vec<u8>, Vec<u8>)]) -> usize {
    if xattrs.is_empty() {
        return 0;
    }
    let entry = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let suffix = split(name).map_or(0, |(_, suffix)| suffix.len());
        (4 + suffix + value.len()).next_multiple_of(4)
    };
    HEADER_BYTES + xattrs.iter().map(entry).sum::<usize>()
}

/// `i_xattr_icount` of attributes of so many bytes.
pub(super) fn count(body_bytes: usize) -> u16 {
    match body_bytes {
        0 => 0,
        bytes => u16::try_from((bytes - HEADER_BYTES) / 4 + 1).expect("checked when it was merged"),
    }
}

/// Writes the header and the entries.
pub(super) fn write(xattrs: &[(Vec<u8>, Vec<u8>)], to: &mut Vec<u8>) {
    if xattrs.is_empty() {
        return;
    }
    to.extend_from_slice(&[0; HEADER_BYTES]);
    for (name, value) in xattrs {
        let (index, suffix) = split(name).expect("checked when it was merged");
        to.push(u8::try_from(suffix.len()).expect("at most 255"));
        to.push(index);
        to.extend_from_slice(
            &u16::try_from(value.len())
                .expect("checked when it was merged")
                .to_le_bytes(),
        );
        to.extend_from_slice(suffix);
        to.extend_from_slice(value);
        to.resize(to.len().next_multiple_of(4), 0);
    }
}

fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    PREFIXES
        .iter()
        .find_map(|(prefix, index)| Some((*index, name.strip_prefix(*prefix)?)))
}
