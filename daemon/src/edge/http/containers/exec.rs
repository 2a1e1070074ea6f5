//! `POST /containers/{id}/exec`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use gantry_engine_api::exec::{ExecCreateRequest, IdResponse};
use http::StatusCode;

use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::ApiJson;
use crate::edge::http::json;
use crate::engine::Engine;

pub(super) async fn create(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    ApiJson(request): ApiJson<ExecCreateRequest>,
) -> ApiResult<Response> {
    let exec = engine.containers.create_exec(&id, request)?;
    Ok(json(
        StatusCode::CREATED,
        &IdResponse {
            id: exec.to_string(),
        },
    ))
}
