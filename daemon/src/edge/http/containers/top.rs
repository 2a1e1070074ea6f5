//! `GET /containers/{id}/top`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::Params;
use crate::edge::http::json;
use crate::engine::Engine;

pub(super) async fn top(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let arguments = params
        .get("ps_args")
        .filter(|text| !text.is_empty())
        .unwrap_or("-ef");
    Ok(json(
        StatusCode::OK,
        &engine.containers.top(&id, arguments).await?,
    ))
}
