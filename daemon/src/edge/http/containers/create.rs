//! `POST /containers/create`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gantry_engine_api::container::CreateResponse;
use gantry_engine_api::{CreateRequest, json::FromBody};
use http::StatusCode;

use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::{Params, RawJson};
use crate::edge::http::json;
use crate::engine::Engine;

pub(super) async fn create(
    State(engine): State<Arc<Engine>>,
    params: Params,
    RawJson(body): RawJson,
) -> ApiResult<Response> {
    let request = CreateRequest::from_body(&body).map_err(|e| ApiError::json(&e))?;
    let platform = params.text("platform");
    if !platform.is_empty() && !platform.starts_with("linux") {
        return Err(ApiError::invalid(format!(
            "invalid platform: {platform}: this engine runs linux only"
        )));
    }
    let created = engine
        .containers
        .create(params.text("name"), request)
        .await?;
    let answer = CreateResponse {
        id: created.id.to_string(),
        warnings: created.warnings.into(),
    };
    Ok(json(StatusCode::CREATED, &answer))
}
