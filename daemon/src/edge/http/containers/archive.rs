//! `HEAD`, `GET` and `PUT /containers/{id}/archive`, `GET /containers/{id}/export`.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use gantry_engine_api::container::PathStat;
use http::{StatusCode, header};
use tokio::sync::mpsc;

use crate::container::archive::UnpackOptions;
use crate::edge::http::blocking::{BodyReader, blocking};
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::Params;
use crate::engine::Engine;

/// What is at the path, as base64 of JSON.
const STAT: &str = "X-Docker-Container-Path-Stat";
/// Pieces of a tar that may wait for the client.
const QUEUE: usize = 8;
/// Bytes of a piece.
const PIECE: usize = 64 << 10;

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
        owner,
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

/// A tar written by synchronous code, as the body of an answer. A failure breaks the body off: the
/// head is out by then.
fn tar_stream(work: impl FnOnce(&mut dyn Write) -> Result<(), String> + Send + 'static) -> Body {
    let (sender, pieces) = mpsc::channel::<io::Result<Bytes>>(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut to = BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
        let outcome = work(&mut to).and_then(|()| to.flush().map_err(|e| e.to_string()));
        if let Err(text) = outcome {
            tracing::debug!(error = text, "a tar was broken off");
            drop(sender.blocking_send(Err(io::Error::other(text))));
        }
    });
    Body::from_stream(stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    }))
}

/// Sends what is written on, waiting for the client.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(piece)).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
