//! Databases of durable records that outlive a kill and a full disk.
//!
//! Owns how a redb file is made and grows. redb gives a database up at the first error of its file, for
//! good; on a full disk that would leave an engine that cannot even remove what fills it. So a file
//! grows only by blocks that the file system has set aside for it, and a reserve beside it is given up
//! when there are none left: what is removed can still be recorded. Deliberately not here: what is
//! recorded, and who may add to it while the disk is nearly full ([`free_bytes`] tells).

mod backend;

use std::fs::File;
use std::io;
use std::path::Path;

use redb::{Database, DatabaseError, StorageError};

/// Bytes that should be free before something is added to what is recorded.
pub const WANTED_BYTES: u64 = 4 << 20;

/// Opens a database, or makes it: under another name first, because what a killed process had half
/// made would never open again.
///
/// # Errors
/// The file is no database, is open elsewhere, or cannot be made.
pub fn open(path: &Path, cache_bytes: Option<usize>) -> Result<Database, DatabaseError> {
    if !path.exists() {
        let fresh = path.with_extension("redb.new");
        for left in [fresh.clone(), backend::reserve_of(&fresh)] {
            drop(std::fs::remove_file(left));
        }
        drop(database(&fresh, cache_bytes)?);
        drop(std::fs::remove_file(backend::reserve_of(&fresh)));
        std::fs::rename(&fresh, path).map_err(StorageError::Io)?;
    }
    database(path, cache_bytes)
}

fn database(path: &Path, cache_bytes: Option<usize>) -> Result<Database, DatabaseError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(StorageError::Io)?;
    let mut builder = Database::builder();
    if let Some(bytes) = cache_bytes {
        builder.set_cache_size(bytes);
    }
    builder.create_with_backend(backend::Reserved::new(file, path)?)
}

/// Bytes that a process without privileges could still write to the file system of `path`.
///
/// # Errors
/// Whatever the kernel refuses.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
