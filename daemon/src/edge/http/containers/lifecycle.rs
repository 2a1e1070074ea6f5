//! Start, stop, restart, kill, pause, unpause, rename, update, resize, remove.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use gantry_engine_api::List;
use gantry_engine_api::container::UpdateResponse;
use gantry_ids::Signal;
use http::StatusCode;

use crate::container::remove::RemoveOptions;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::{CheckedUpdate, Params};
use crate::edge::http::{json, no_content};
use crate::engine::Engine;

pub(super) async fn start(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    engine.containers.start(&id).await?;
    Ok(no_content())
}

/// A signal by name or number; nothing is none.
fn signal(params: &Params) -> Result<Option<Signal>, ApiError> {
    match params.text("signal") {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| ApiError::invalid(format!("invalid signal: {text}"))),
    }
}

pub(super) async fn stop(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let (signal, timeout_s) = (signal(&params)?, params.number("t")?);
    engine.containers.stop(&id, signal, timeout_s).await?;
    Ok(no_content())
}

pub(super) async fn restart(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let (signal, timeout_s) = (signal(&params)?, params.number("t")?);
    engine.containers.restart(&id, signal, timeout_s).await?;
    Ok(no_content())
}

pub(super) async fn kill(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let signal = signal(&params)
        .map_err(|error| {
            ApiError::invalid(format!("cannot kill container: {id}: {}", error.message()))
        })?
        .unwrap_or(Signal::KILL);
    engine.containers.kill(&id, signal).await?;
    Ok(no_content())
}

pub(super) async fn pause(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    engine.containers.pause(&id).await?;
    Ok(no_content())
}

pub(super) async fn unpause(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    engine.containers.unpause(&id).await?;
    Ok(no_content())
}

pub(super) async fn rename(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    engine.containers.rename(&id, params.text("name")).await?;
    Ok(no_content())
}

pub(super) async fn update(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    CheckedUpdate { body, mut warnings }: CheckedUpdate,
) -> ApiResult<Response> {
    warnings.extend(engine.containers.update(&id, body).await?);
    // Go's encoder tells a list of nothing as null.
    let warnings = Some(warnings).filter(|warnings| !warnings.is_empty());
    let answer = UpdateResponse {
        warnings: warnings.map(List::from).unwrap_or_default(),
    };
    Ok(json(StatusCode::OK, &answer))
}

/// Width and height in characters.
pub(in crate::edge::http) fn size(params: &Params) -> Result<(u32, u32), ApiError> {
    let number = |name: &str| -> Result<u32, ApiError> {
        params
            .number(name)?
            .ok_or_else(|| ApiError::invalid(format!("invalid resize {name}: missing")))
    };
    Ok((number("w")?, number("h")?))
}

pub(super) async fn resize(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<StatusCode> {
    engine.containers.resize(&id, size(&params)?).await?;
    Ok(StatusCode::OK)
}

pub(super) async fn remove(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    if params.flag("link") {
        return Err(ApiError::not_built("removing a link"));
    }
    let options = RemoveOptions {
        volumes: params.flag("v"),
        force: params.flag("force"),
    };
    engine.containers.remove(&id, options).await?;
    Ok(no_content())
}
