//! A disk that is full: when nothing is added any more, and what would make room.

use std::path::Path;

use gantry_image::ImageStore;
use gantry_layer::LayerStore;

/// Why nothing is added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no space left on device: {free_bytes} bytes are free for {root}, and what is left is kept for \
     what makes room again: {advice}"
)]
pub struct Full {
    root: String,
    free_bytes: u64,
    advice: String,
}

/// Refuses where the records of something new would take what removals need.
///
/// # Errors
/// [`Full`], with what would make room.
pub fn check(data_root: &Path, images: &ImageStore) -> Result<(), Full> {
    // A file system that cannot be asked is found out when it is written to.
    let free_bytes = gantry_ledger::free_bytes(data_root).unwrap_or(u64::MAX);
    if free_bytes >= gantry_ledger::WANTED_BYTES {
        return Ok(());
    }
    Err(Full {
        root: data_root.display().to_string(),
        free_bytes,
        advice: advice(images),
    })
}

/// What would free how much, as far as it is known without a look at the disk.
#[must_use]
pub fn advice(images: &ImageStore) -> String {
    let used = images.layers_of_containers();
    let layers = images.layers().list();
    let unused = layers.iter().filter(|layer| !used.contains(&layer.chain));
    let bytes: u64 = unused.map(|layer| layer.content_bytes).sum();
    format!(
        "`docker image prune -a` would free {} MB of images that no container uses; `docker container \
         prune`, `docker volume prune -a` and `docker builder prune` free what else is unused",
        bytes.div_ceil(1_000_000)
    )
}
