//! Layers that are compressed for an archive.
//!
//! An archive names a blob by its digest before the blob's bytes, so that a layer is compressed to a
//! file without a name first. One layer at a time: that is what saving takes of the disk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use gantry_ids::Digest;
use gantry_layer::{ChainId, LayerError, Packing};
use sha2::Digest as _;

use crate::ImageError;
use crate::error::failed;

/// The blob that a layer became.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackedLayer {
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
}

/// What became of the layers; those that are not in it are written as they are.
pub(super) type PackedLayers = HashMap<ChainId, PackedLayer>;

/// A compressed layer in a file that has no name any more.
pub(super) struct Packed {
    pub(super) layer: PackedLayer,
    pub(super) file: File,
}

/// Compresses what `write` writes.
pub(super) fn pack(
    directory: &Path,
    packing: Packing,
    write: impl FnOnce(&mut dyn Write) -> Result<(), LayerError>,
) -> Result<Packed, ImageError> {
    let file = nameless(directory)?;
    let taken = |error: io::Error| ImageError::Layer(LayerError::Write(error));
    let hashing = Hashing {
        file,
        hash: sha2::Sha256::new(),
        bytes: 0,
    };
    let out = io::BufWriter::with_capacity(256 << 10, hashing);
    let mut packer = packing.pack(out).map_err(taken)?;
    write(&mut packer).map_err(ImageError::Layer)?;
    let out = packer.finish().map_err(taken)?;
    let out = out
        .into_inner()
        .map_err(|error| taken(error.into_error()))?;
    let layer = PackedLayer {
        digest: Digest::from_bytes(out.hash.finalize().into()),
        size_bytes: out.bytes,
    };
    let mut file = out.file;
    file.rewind().map_err(taken)?;
    Ok(Packed { layer, file })
}

fn nameless(directory: &Path) -> Result<File, ImageError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("packed-{}-{number}", std::process::id()));
    let mut options = File::options();
    options.create(true).truncate(true).read(true).write(true);
    let file = options.open(&path).map_err(failed("create", &path))?;
    std::fs::remove_file(&path).map_err(failed("remove", &path))?;
    Ok(file)
}

struct Hashing {
    file: File,
    hash: sha2::Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes)?;
        self.hash.update(&bytes[..len]);
        self.bytes += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
