//! `GET /containers/json` and `GET /containers/{id}/json`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use gantry_engine_api::container::{ContainerInspect, ContainerSummary};
use http::StatusCode;

use crate::container::list::ListOptions;
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::{Params, Version};
use crate::edge::http::{JsonList, json};
use crate::engine::Engine;

pub(super) async fn inspect(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    Version(version): Version,
    params: Params,
) -> ApiResult<Response> {
    let mut inspect = engine.containers.inspect(&id, params.flag("size")).await?;
    if !version.at_least(45) {
        tell_short_id(&mut inspect);
    }
    Ok(json(StatusCode::OK, &inspect))
}

/// Before 1.45 the short id was told among the aliases.
fn tell_short_id(inspect: &mut ContainerInspect) {
    let short: String = inspect.id.chars().take(12).collect();
    let networks = inspect.network_settings.networks.iter_mut();
    for (_, settings) in networks.filter(|(_, settings)| !settings.dns_names.is_empty()) {
        settings.aliases.push(short.clone());
    }
}

pub(super) async fn list(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult<Response> {
    let limit: i64 = params.number("limit")?.unwrap_or(0);
    let options = ListOptions {
        all: params.flag("all"),
        limit: usize::try_from(limit).unwrap_or(0),
        size: params.flag("size"),
        filters: params.filters()?,
    };
    let mut list = JsonList::default();
    let each = |summary: &ContainerSummary| list.push(summary);
    engine.containers.list(options, each).await?;
    Ok(list.into_response())
}
