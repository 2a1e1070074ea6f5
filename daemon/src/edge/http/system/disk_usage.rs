//! `GET /system/df`.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use gantry_engine_api::ApiVersion;
use gantry_engine_api::image::ImageSummary;
use gantry_engine_api::system::DiskUsage;
use gantry_ids::Digest;
use gantry_layer::{LayerStore, disk_bytes};
use http::StatusCode;

use crate::edge::http::blocking::blocking;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::{Params, Version};
use crate::edge::http::images::summary;
use crate::edge::http::json;
use crate::engine::Engine;

/// What can be asked for.
const KINDS: &[&str] = &["container", "image", "volume", "build-cache"];

pub(super) async fn show(
    State(engine): State<Arc<Engine>>,
    Version(version): Version,
    params: Params,
) -> ApiResult {
    let asked = params.all("type").to_vec();
    if let Some(unknown) = asked.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(ApiError::invalid(format!("unknown object type: {unknown}")));
    }
    let usage = blocking(move || Ok(measure(&engine, version, &asked)));
    Ok(json(StatusCode::OK, &usage.await?))
}

/// Walks what was asked for; everything, if nothing was named.
///
/// All sizes are what `du` counts, so that they add up to what the data root takes: a layer that only the
/// build cache has is counted there, and what belongs to nothing of these is the engine's own.
fn measure(engine: &Engine, version: ApiVersion, asked: &[String]) -> DiskUsage {
    let wants = |kind: &str| asked.is_empty() || asked.iter().any(|asked| asked == kind);
    let mut usage = DiskUsage::default();
    let cache = Cached::measure(engine);
    if wants("image") {
        images(engine, version, &cache, &mut usage);
    }
    if wants("container") {
        usage.containers = engine.census.disk_usage().into();
    }
    if wants("volume") {
        usage.volumes = engine.census.volumes_usage().into();
    }
    if wants("build-cache") {
        usage.build_cache = crate::edge::http::build::usage(engine, &cache.own);
    }
    if !version.at_least(42) {
        usage.builder_size = Some(signed(cache.bytes));
    }
    if asked.is_empty() {
        usage.engine_size = Some(signed(rest(engine)));
    }
    usage
}

fn images(engine: &Engine, version: ApiVersion, cache: &Cached, usage: &mut DiskUsage) {
    let stored = engine.images.disk_space();
    usage.layers_size = signed(stored.layers_bytes.saturating_sub(cache.bytes));
    let measured = stored.images.into_iter().map(|image| (image.id, image));
    let measured: HashMap<_, _> = measured.collect();
    let images = engine.images.list();
    let images = images.iter().map(|image| {
        let known = measured.get(&image.id);
        let (size, shared) = known.map_or((0, 0), |known| (known.size_bytes, known.shared_bytes));
        ImageSummary {
            containers: i64::try_from(engine.census.users_of_image(&image.id).len())
                .unwrap_or(i64::MAX),
            size: signed(size),
            shared_size: signed(shared),
            ..summary(image, version)
        }
    });
    usage.images = images.collect();
}

/// What the build cache alone takes.
struct Cached {
    /// By the step's key: what its layer takes on the disk, where no image and no earlier step has it.
    own: HashMap<Digest, u64>,
    bytes: u64,
}

impl Cached {
    fn measure(engine: &Engine) -> Self {
        let mut counted = HashSet::new();
        let mut own = HashMap::new();
        let held = engine.images.layers_of_containers();
        for kept in engine.builds.solver.kept() {
            let Some(chain) = kept.record.chain else {
                continue;
            };
            if !kept.is_shared && !held.contains(&chain) && counted.insert(chain) {
                own.insert(kept.key, engine.images.layers().disk_bytes(&chain));
            }
        }
        let bytes = own.values().sum();
        Self { own, bytes }
    }
}

/// What the data root takes beside layers, containers and volumes.
fn rest(engine: &Engine) -> u64 {
    let root = &engine.config().data_root;
    let layers = root.join("image/layers");
    let others = [layers, root.join("containers"), root.join("volumes")];
    disk_bytes(root, &others.each_ref().map(PathBuf::as_path)).unwrap_or(0)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
