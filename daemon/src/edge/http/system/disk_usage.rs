//! `GET /system/df`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use gantry_engine_api::ApiVersion;
use gantry_engine_api::image::ImageSummary;
use gantry_engine_api::system::DiskUsage;
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
fn measure(engine: &Engine, version: ApiVersion, asked: &[String]) -> DiskUsage {
    let wants = |kind: &str| asked.is_empty() || asked.iter().any(|asked| asked == kind);
    let mut usage = DiskUsage::default();
    if wants("image") {
        let stored = engine.images.disk_usage();
        usage.layers_size = i64::try_from(stored.layers_bytes).unwrap_or(i64::MAX);
        let shared = stored
            .images
            .into_iter()
            .map(|image| (image.id, image.shared_bytes));
        let shared: HashMap<_, _> = shared.collect();
        let images = engine.images.list();
        let images = images.iter().map(|image| ImageSummary {
            containers: signed(engine.census.users_of_image(&image.id).len()),
            shared_size: shared
                .get(&image.id)
                .map_or(0, |b| i64::try_from(*b).unwrap_or(i64::MAX)),
            ..summary(image, version)
        });
        usage.images = images.collect();
    }
    if wants("container") {
        usage.containers = engine.census.disk_usage().into();
    }
    if wants("volume") {
        usage.volumes = engine.census.volumes_usage().into();
    }
    if wants("build-cache") {
        usage.build_cache = crate::edge::http::build::usage(engine);
    }
    if !version.at_least(42) {
        let kept = engine.builds.solver.kept();
        let sizes = kept.iter().map(|kept| kept.record.size_bytes);
        usage.builder_size = Some(i64::try_from(sizes.sum::<u64>()).unwrap_or(i64::MAX));
    }
    usage
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
