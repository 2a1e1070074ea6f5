//! `POST /networks/{id}/connect` and `/disconnect`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use gantry_engine_api::network::{ConnectRequest, DisconnectRequest};
use http::StatusCode;

use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::ApiJson;
use crate::engine::Engine;

pub(super) async fn connect(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    ApiJson(body): ApiJson<ConnectRequest>,
) -> ApiResult<Response> {
    named(&body.container)?;
    let settings = body.endpoint_config.unwrap_or_default();
    engine
        .containers
        .connect(&body.container, &id, settings)
        .await?;
    Ok(done())
}

pub(super) async fn disconnect(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    ApiJson(body): ApiJson<DisconnectRequest>,
) -> ApiResult<Response> {
    named(&body.container)?;
    let DisconnectRequest { container, force } = body;
    engine.containers.disconnect(&container, &id, force).await?;
    Ok(done())
}

fn named(container: &str) -> Result<(), ApiError> {
    if container.is_empty() {
        return Err(ApiError::invalid("invalid name or ID supplied: \"\""));
    }
    Ok(())
}

/// dockerd answers 200 without a body.
fn done() -> Response {
    axum::response::IntoResponse::into_response(StatusCode::OK)
}
