//! `HEAD`, `GET` and `PUT /containers/{id}/archive`, `GET /containers/{id}/export`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_engine_api::container::PathStat;
use http::{StatusCode, header};

use crate::container::archive::UnpackOptions;
use crate::edge::http::blocking::{BodyReader, blocking, tar_stream};
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::Params;
use crate::engine::Engine;

/// What is at the path, as base64 of JSON.
const STAT: &str = "X-Docker-Container-Path-Stat";

fn encode(stat: &PathStat) -> String {
    STANDARD.encode(serde_json::to_vec(stat).expect("plain fields"))
}

pub(super) async fn stat(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let handle = engine.containers.find(&id)?;
    let stat = engine
        .containers
        .stat_path(&handle, params.text("path"))
        .await?;
    Ok(Response::builder()
        .header(STAT, encode(&stat))
        .body(Body::empty())
        .expect("base64 is a valid header"))
}

pub(super) async fn get(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let handle = engine.containers.find(&id)?;
    let path = params.text("path").to_owned();
    let stat = engine.containers.stat_path(&handle, &path).await?;
    let containers = engine.containers.clone();
    let body = tar_stream(move |to| {
        containers
            .pack(&handle, &path, to)
            .map_err(|e| gantry_errors::chain(&e).to_string())
    });
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "application/x-tar")
        .header(STAT, encode(&stat))
        .body(body)
        .expect("base64 is a valid header"))
}

pub(super) async fn export(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let handle = engine.containers.find(&id)?;
    let containers = engine.containers.clone();
    let body = tar_stream(move |to| {
        containers
            .export(&handle, to)
            .map_err(|e| gantry_errors::chain(&e).to_string())
    });
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(body)
        .expect("the header is valid"))
}

pub(super) async fn put(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
    request: Request,
) -> ApiResult<StatusCode> {
    let handle = engine.containers.find(&id)?;
    let path = params.text("path").to_owned();
    let owner = if params.flag("copyUIDGID") {
        Some(engine.containers.owner(&handle).await?)
    } else {
        None
    };
    let options = UnpackOptions {
        keep_kinds: params.flag("noOverwriteDirNonDir"),
        own_root: false,
        owner,
        content_bytes_max: None,
    };
    let body = BodyReader::new(request.into_body());
    blocking(move || {
        let (_, content) = gantry_layer::decompress(body)
            .map_err(|error| crate::edge::http::error::ApiError::invalid(error.to_string()))?;
        Ok(engine.containers.unpack(&handle, &path, content, options)?)
    })
    .await?;
    Ok(StatusCode::OK)
}
