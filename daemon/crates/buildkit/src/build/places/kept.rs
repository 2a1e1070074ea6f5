//! What is kept of a place on the disk: a tree in one file, and when it was used last.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use gantry_build::Digests;

use crate::fsutil::{PackError, pack, unpack};

/// How much of a packed tree is read or written at once, bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// What a kept file's name ends in.
pub(super) const KEPT: &str = "kept";

/// What the name of digests of a directory's files ends in.
pub(super) const DIGESTS: &str = "digests";

/// Brings back what was kept. What cannot be read is sent again.
pub(super) fn fill(path: &Path, root: &OwnedFd, digests: &Digests) {
    let Ok(file) = File::open(path) else {
        return;
    };
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
    let unpacked = root.try_clone().map_err(PackError::File);
    match unpacked.and_then(|root| unpack(&mut file, root)) {
        Ok(notes) => {
            for (path, note) in notes {
                if let (Some(stat), Ok(digest)) = (look(root, &path), note[..].try_into()) {
                    digests.put(&stat, digest);
                }
            }
        }
        Err(error) => {
            let error = gantry_errors::chain(&error);
            tracing::debug!(path = %path.display(), %error, "what was kept of a client's files is lost");
        }
    }
}

/// A file of a tree, by a path that the tree told itself.
fn look(root: &OwnedFd, path: &str) -> Option<rustix::fs::Stat> {
    rustix::fs::statat(root, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).ok()
}

/// Keeps a tree in one file, whole or not at all.
pub(super) fn keep(path: &Path, root: OwnedFd, digests: &Digests) -> Result<(), PackError> {
    let (new, kept) = (path.with_extension("new"), path.with_extension(KEPT));
    let write = || {
        let file = File::create(&new).map_err(PackError::File)?;
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let note = |root: &OwnedFd, path: &str| {
            let digest = digests.get(&look(root, path)?)?;
            Some(Bytes::copy_from_slice(&digest))
        };
        pack(root, &note, &mut file)?;
        file.flush().map_err(PackError::File)?;
        fs::rename(&new, &kept).map_err(PackError::File)
    };
    let written = write();
    if written.is_err() {
        // Neither is of use.
        let _ = fs::remove_file(&new);
        let _ = fs::remove_file(&kept);
    }
    written
}

/// Notes that all that there is of a place was used now, as the time of its contents; what cannot be
/// marked goes a little earlier.
pub(super) fn mark_used(path: &Path) {
    let now = SystemTime::now();
    for extension in ["", KEPT, DIGESTS] {
        if let Ok(part) = File::open(path.with_extension(extension)) {
            let _ = part.set_modified(now);
        }
    }
}
