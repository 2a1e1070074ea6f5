//! What a user should know of a mount before the container runs.

use std::os::unix::fs::MetadataExt;

use super::{MountRecord, Source};

/// Read, write and search for others.
const OTHERS_MAY_ALL: u32 = 0o007;

/// Binds with mapped owners (`idmap`) of something that belongs to somebody else: within it is nobody's, and what
/// nobody's is not even the container's root may open or change where its mode does not let everybody.
#[must_use]
pub fn of_foreign_owners(mounts: &[MountRecord]) -> Vec<String> {
    let hint = |mount: &MountRecord| {
        let Source::Bind {
            path,
            owner: Some((uid, gid)),
            ..
        } = &mount.source
        else {
            return None;
        };
        let found = std::fs::metadata(path).ok()?;
        let open = found.mode() & OTHERS_MAY_ALL == OTHERS_MAY_ALL;
        if found.uid() == *uid || open {
            return None;
        }
        Some(format!(
            "{path} belongs to {}:{} and idmap maps {uid}:{gid}: within the container ({}) it is nobody's, and access may be denied",
            found.uid(),
            found.gid(),
            mount.target
        ))
    };
    mounts.iter().filter_map(hint).collect()
}
