//! `POST /containers/create`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gantry_engine_api::CreateRequest;
use gantry_engine_api::container::CreateResponse;
use gantry_ids::Platform;
use http::StatusCode;

use crate::edge::http::blocking::blocking;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::{Checked, Params, Version};
use crate::edge::http::images::advised;
use crate::edge::http::json;
use crate::engine::Engine;

pub(super) async fn create(
    State(engine): State<Arc<Engine>>,
    Version(version): Version,
    params: Params,
    Checked { body, warnings }: Checked<CreateRequest>,
) -> ApiResult<Response> {
    let platform = match params.text("platform") {
        "" => None,
        text => Some(
            text.parse::<Platform>()
                .map_err(|error| ApiError::invalid(error.to_string()))?,
        ),
    };
    if let Some(other) = platform.as_ref().filter(|platform| platform.os != "linux") {
        return Err(ApiError::invalid(format!(
            "invalid platform: {other}: this engine runs linux only"
        )));
    }
    let endpoints = &body.networking_config.endpoints_config;
    if endpoints.len() > 1 && !version.at_least(44) {
        let names: Vec<_> = endpoints.keys().cloned().collect();
        return Err(ApiError::invalid(format!(
            "Container cannot be created with multiple network endpoints: {}",
            names.join(", ")
        )));
    }
    let created = engine
        .containers
        .create_for(params.text("name"), platform.as_ref(), body)
        .await;
    let created = match created.map_err(ApiError::from) {
        Ok(created) => created,
        Err(told) => return blocking(move || Err(advised(&engine, told))).await,
    };
    let answer = CreateResponse {
        id: created.id.to_string(),
        warnings: warnings.into_iter().chain(created.warnings).collect(),
    };
    Ok(json(StatusCode::CREATED, &answer))
}
