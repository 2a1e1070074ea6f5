//! `POST /commit`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use gantry_engine_api::ContainerConfig;
use gantry_engine_api::exec::IdResponse;
use gantry_image::{CommitRequest, RunConfig, Stop};
use http::StatusCode;

use super::blocking::blocking;
use super::client::Client;
use super::error::{ApiError, ApiResult};
use super::extract::{OptionalJson, Params};
use super::images::{announce, failure_to_add, reference};
use super::json;
use crate::container::ContainerError;
use crate::engine::Engine;

/// The route.
pub(super) fn routes() -> Router<Arc<Engine>> {
    Router::new().route("/commit", post(commit))
}

async fn commit(
    State(engine): State<Arc<Engine>>,
    params: Params,
    client: Client,
    OptionalJson(overrides): OptionalJson<Option<ContainerConfig>>,
) -> ApiResult {
    let name = params.text("container");
    let handle = engine.containers.find(name)?;
    let record = handle.record();
    let mut run = run_config(&record.config)?;
    if let Some(overrides) = &overrides {
        run = over(&run, &run_config(overrides)?);
    }
    let request = CommitRequest {
        parent: record.image,
        chain: record.chain,
        upper: engine.containers.parts.rw(&record.id).join("upper"),
        created_by: run.cmd.clone().unwrap_or_default().join(" "),
        run,
        changes: params.all("changes").to_vec(),
        author: params.text("author").to_owned(),
        comment: params.text("comment").to_owned(),
        reference: reference(params.text("repo"), params.text("tag"))?,
        stop: Stop::default(),
    };
    // A container that does not run has nothing to hold still.
    let paused = params.flag_or("pause", true) && engine.containers.pause(name).await.is_ok();
    let (store, wanted) = (Arc::clone(&engine), request.clone());
    let work = blocking(move || {
        let made = store.images.commit(&wanted);
        made.map_err(|error| failure_to_add(&store, &error))
    });
    let made = unless_gone(work, client, &request.stop).await;
    if paused {
        resume(&engine, name).await;
    }
    let id = made?;
    if let (Some(image), Some(reference)) = (engine.images.get(&id), &request.reference) {
        announce(&engine, "tag", &image, &reference.familiar());
    }
    let attributes = [
        ("comment", request.comment),
        ("imageID", id.to_string()),
        (
            "imageRef",
            request
                .reference
                .map(|name| name.familiar())
                .unwrap_or_default(),
        ),
    ];
    engine
        .containers
        .parts
        .announce(&record, "commit", &attributes);
    Ok(json(
        StatusCode::CREATED,
        &IdResponse { id: id.to_string() },
    ))
}

/// Waits for work that is told to stop when the client leaves.
async fn unless_gone<T>(work: impl Future<Output = T>, client: Client, stop: &Stop) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        made = work.as_mut() => return made,
        () = client.gone() => stop.stop(),
    }
    work.await
}

/// What of a container's configuration is an image's.
fn run_config(config: &ContainerConfig) -> Result<RunConfig, ApiError> {
    let value = serde_json::to_value(config).expect("string keys only");
    serde_json::from_value(value)
        .map_err(|error| ApiError::invalid(format!("invalid container configuration: {error}")))
}

/// The container's configuration with what the request says in its place.
fn over(container: &RunConfig, request: &RunConfig) -> RunConfig {
    let fields = |config| match serde_json::to_value(config).expect("string keys only") {
        serde_json::Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    // Fields that are empty are not written, so that they stay the container's.
    let mut merged = fields(container);
    merged.extend(fields(request));
    serde_json::from_value(merged.into()).unwrap_or_else(|_| container.clone())
}

/// A container that ended meanwhile needs no resuming.
async fn resume(engine: &Engine, name: &str) {
    let resumed: Result<(), ContainerError> = engine.containers.unpause(name).await;
    if let Err(error) = resumed {
        tracing::debug!(%error, container = name, "could not resume after a commit");
    }
}
