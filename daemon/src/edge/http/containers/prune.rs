//! `POST /containers/prune`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gantry_engine_api::container::ContainersPruned;
use http::StatusCode;

use crate::container::remove::RemoveOptions;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::json;
use crate::edge::http::time::{Moment, parse_moment};
use crate::engine::Engine;

/// Removes the containers that do not run.
pub(super) async fn prune(
    State(engine): State<Arc<Engine>>,
    params: Params,
) -> ApiResult<Response> {
    let filters = params.filters()?;
    filters
        .only(&["until", "label", "label!"])
        .map_err(|e| ApiError::filter(&e))?;
    let until: Option<Moment> = filters
        .get("until")
        .next()
        .map(|text| parse_moment("until", text))
        .transpose()?
        .flatten();
    let mut pruned = ContainersPruned::default();
    for handle in engine.containers.handles() {
        let record = handle.record();
        let label = |key: &str| record.config.labels.get(key).map(String::as_str);
        let kept = filters.contains("label!") && filters.allows_labels("label!", label);
        let young =
            until.is_some_and(|until| record.created.as_nanosecond() >= i128::from(until.as_ns()));
        if record.life.counts_as_running()
            || young
            || kept
            || !filters.allows_labels("label", label)
        {
            continue;
        }
        let bytes = engine
            .containers
            .sizes(handle.record())
            .await
            .map_or(0, |(rw, _)| rw);
        // One that runs again in the meantime stays.
        if engine
            .containers
            .remove(handle.id.as_str(), RemoveOptions::default())
            .await
            .is_ok()
        {
            pruned.containers_deleted.push(handle.id.to_string());
            pruned.space_reclaimed += u64::try_from(bytes).unwrap_or(0);
        }
    }
    Ok(json(StatusCode::OK, &pruned))
}
