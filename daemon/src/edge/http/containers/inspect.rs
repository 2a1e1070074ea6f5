//! `GET /containers/json` and `GET /containers/{id}/json`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use crate::container::list::ListOptions;
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::Params;
use crate::edge::http::json;
use crate::engine::Engine;

pub(super) async fn inspect(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let inspect = engine.containers.inspect(&id, params.flag("size")).await?;
    Ok(json(StatusCode::OK, &inspect))
}

pub(super) async fn list(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult<Response> {
    let limit: i64 = params.number("limit")?.unwrap_or(0);
    let options = ListOptions {
        all: params.flag("all"),
        limit: usize::try_from(limit).unwrap_or(0),
        size: params.flag("size"),
        filters: params.filters()?,
    };
    Ok(json(
        StatusCode::OK,
        &engine.containers.list(options).await?,
    ))
}
