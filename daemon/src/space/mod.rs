//! Room on the disk: when nothing is added any more, what would make some, what goes by itself
//! ([`collect`]).

pub mod collect;

use std::path::Path;

use gantry_image::ImageStore;
use gantry_layer::LayerStore as _;

use crate::engine::Engine;

/// Why nothing is added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no space left on device: {free_bytes} bytes are free for {root}, and what is left is kept for \
     what makes room again"
)]
pub struct Full {
    root: String,
    free_bytes: u64,
}

/// Refuses where the records of something new would take what removals need.
///
/// # Errors
/// [`Full`]; whoever answers a client adds [`advice`].
pub fn check(data_root: &Path) -> Result<(), Full> {
    // A file system that cannot be asked is found out when it is written to.
    let free_bytes = gantry_ledger::free_bytes(data_root).unwrap_or(u64::MAX);
    if free_bytes >= gantry_ledger::WANTED_BYTES {
        return Ok(());
    }
    Err(Full {
        root: data_root.display().to_string(),
        free_bytes,
    })
}

/// What would free how much. Walks containers and volumes: to be called off the async threads.
#[must_use]
pub fn advice(engine: &Engine) -> String {
    let containers = engine.census.disk_usage().into_iter();
    let stopped =
        containers.filter(|one| !matches!(&*one.state, "running" | "paused" | "restarting"));
    let containers: i64 = stopped.map(|one| one.size_rw).sum();
    let volumes = engine.census.volumes_usage().into_iter();
    let unused = volumes.filter_map(|volume| volume.usage_data);
    let unused = unused.filter(|usage| usage.ref_count == 0);
    let volumes: i64 = unused.map(|usage| usage.size).sum();
    let cache = collect::cached(engine, None);
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    let signed = |bytes: i64| megabytes(u64::try_from(bytes).unwrap_or(0));
    format!(
        "`docker image prune -a` would free {} MB of images that no container uses, `docker container \
         prune` {} MB, `docker volume prune -a` {} MB, `docker builder prune` {} MB",
        megabytes(unused_bytes(&engine.images)),
        signed(containers),
        signed(volumes),
        megabytes(cache)
    )
}

/// Bytes of layers that no container stands on.
fn unused_bytes(images: &ImageStore) -> u64 {
    let used = images.layers_of_containers();
    let layers = images.layers().list();
    let unused = layers.iter().filter(|layer| !used.contains(&layer.chain));
    unused.map(|layer| layer.content_bytes).sum()
}
