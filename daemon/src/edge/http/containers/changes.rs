//! `GET /containers/{id}/changes`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use crate::edge::http::error::ApiResult;
use crate::edge::http::json;
use crate::engine::Engine;

pub(super) async fn changes(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let handle = engine.containers.find(&id)?;
    let changes = engine.containers.changes(&handle).await?;
    // Go's encoder tells a list of nothing as null.
    let changes = Some(changes).filter(|changes| !changes.is_empty());
    Ok(json(StatusCode::OK, &changes))
}
