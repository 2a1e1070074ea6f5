//! Blobs on their way in: what was received is kept, so that a download goes on where it was cut.
//!
//! A partial file is neither synced nor recorded: whoever goes on reads it again from its beginning
//! and compares the digest at the end, which finds whatever a power cut did to it.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gantry_ids::Digest;
use gantry_layer::LayerStore;

use super::ImageStore;
use crate::ImageError;
use crate::error::failed;

/// A blob of which the beginning is here, to be appended to.
#[derive(Debug)]
pub struct Partial {
    file: File,
    length: u64,
}

impl Partial {
    fn open(path: &Path, most: u64) -> Result<Self, ImageError> {
        let open = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path);
        let mut file = open.map_err(failed("open", path))?;
        file.lock().map_err(failed("lock", path))?;
        let mut length = file.metadata().map_err(failed("measure", path))?.len();
        if length > most {
            // Not the beginning of this blob.
            file.set_len(0).map_err(failed("empty", path))?;
            length = 0;
        }
        file.seek(io::SeekFrom::Start(length))
            .map_err(failed("go to the end of", path))?;
        Ok(Self { file, length })
    }

    /// Bytes that are here.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Its file, to be read by place.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

impl<L: LayerStore> ImageStore<L> {
    /// The directory of what is on its way.
    pub(crate) fn partials(&self) -> &Path {
        &self.partials
    }

    /// Opens what was received of a blob of `size` bytes; nothing of it may be here. Waits for
    /// whoever has it open.
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn partial(&self, blob: &Digest, size: u64) -> Result<Partial, ImageError> {
        Partial::open(&self.partial_path(blob), size)
    }

    /// Removes what was received of a blob: its layer is committed, or it is not worth keeping.
    pub fn forget_partial(&self, blob: &Digest) {
        let path = self.partial_path(blob);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "could not remove a partial download");
        }
    }

    /// Removes partial blobs that nobody went on with for `age`. Answers how many bytes they had.
    pub fn sweep_partials(&self, age: Duration) -> u64 {
        let Ok(entries) = std::fs::read_dir(&self.partials) else {
            return 0;
        };
        let mut freed_bytes = 0;
        for entry in entries.flatten() {
            let changed = entry.metadata().and_then(|meta| meta.modified());
            let idle = changed
                .ok()
                .and_then(|at| SystemTime::now().duration_since(at).ok());
            let bytes = entry.metadata().map_or(0, |meta| meta.len());
            if idle.is_some_and(|idle| idle >= age) && std::fs::remove_file(entry.path()).is_ok() {
                freed_bytes += bytes;
            }
        }
        freed_bytes
    }

    fn partial_path(&self, blob: &Digest) -> PathBuf {
        self.partials.join(blob.hex())
    }
}

/// The directory of partial blobs beneath the store's root.
pub(super) fn directory(root: &Path) -> Result<PathBuf, ImageError> {
    use std::os::unix::fs::DirBuilderExt;
    let path = root.join("partial");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(failed("create", &path))?;
    Ok(path)
}
