//! Blobs on their way in: what was received is kept, so that a download goes on where it was cut.
//!
//! A partial file is neither synced nor recorded: whoever goes on reads it again from its beginning
//! and compares the digest at the end, which finds whatever a power cut did to it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gantry_ids::Digest;
use gantry_layer::LayerStore;

use super::ImageStore;
use crate::ImageError;
use crate::error::failed;

/// A blob of which the beginning is here. Reading gives what is there; writing appends.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Partial {
    fn open(path: PathBuf, most: u64) -> Result<Self, ImageError> {
        let open = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path);
        let mut file = open.map_err(failed("open", &path))?;
        file.lock().map_err(failed("lock", &path))?;
        let mut length = file.metadata().map_err(failed("measure", &path))?.len();
        if length > most {
            // Not the beginning of this blob.
            file.set_len(0).map_err(failed("empty", &path))?;
            length = 0;
        }
        file.rewind().map_err(failed("rewind", &path))?;
        Ok(Self { file, path, length })
    }

    /// Bytes that are here.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Forgets what is here.
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn restart(&mut self) -> Result<(), ImageError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .map_err(failed("empty", &self.path))?;
        self.length = 0;
        Ok(())
    }
}

impl Read for Partial {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Write for Partial {
    /// To be called when all that was there has been read: both share one place in the file.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<L: LayerStore> ImageStore<L> {
    /// Opens what was received of a blob of `size` bytes; nothing of it may be here. Waits for
    /// whoever has it open.
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn partial(&self, blob: &Digest, size: u64) -> Result<Partial, ImageError> {
        Partial::open(self.partial_path(blob), size)
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

    /// Removes partial blobs that nobody went on with for `age`.
    pub fn sweep_partials(&self, age: Duration) {
        let Ok(entries) = std::fs::read_dir(&self.partials) else {
            return;
        };
        for entry in entries.flatten() {
            let changed = entry.metadata().and_then(|meta| meta.modified());
            let idle = changed
                .ok()
                .and_then(|at| SystemTime::now().duration_since(at).ok());
            if idle.is_some_and(|idle| idle >= age) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
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
