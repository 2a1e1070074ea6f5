//! `GET /containers/{id}/stats`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use gantry_engine_api::stats::StatsResponse;
use http::StatusCode;

use crate::container::Handle;
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::Params;
use crate::edge::http::{json, json_lines};
use crate::engine::Engine;

/// Between two samples.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) async fn stats(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let handle = engine.containers.find(&id)?;
    if params.flag_or("stream", true) {
        let first = engine.containers.sample(&handle).await;
        let state = (engine, handle, Some(first), None);
        return Ok(json_lines(stream::unfold(state, next)));
    }
    let mut sample = engine.containers.sample(&handle).await;
    if !params.flag("one-shot") && handle.record().life.has_process() {
        // A share of the processor needs two samples.
        let before = sample;
        tokio::time::sleep(PERIOD).await;
        sample = engine.containers.sample(&handle).await;
        follow(&mut sample, &before);
    }
    Ok(json(StatusCode::OK, &sample))
}

fn follow(sample: &mut StatsResponse, before: &StatsResponse) {
    sample.preread.clone_from(&before.read);
    sample.precpu_stats = before.cpu_stats.clone();
}

type Stream = (
    Arc<Engine>,
    Handle,
    Option<StatsResponse>,
    Option<StatsResponse>,
);

/// A line a second, until the container is removed.
async fn next((engine, handle, first, before): Stream) -> Option<(Bytes, Stream)> {
    let mut sample = match first {
        Some(first) => first,
        None => {
            let closing = engine.closing.cancelled();
            if tokio::time::timeout(PERIOD, closing).await.is_ok() {
                return None;
            }
            engine.containers.by_id(handle.id.as_str())?;
            engine.containers.sample(&handle).await
        }
    };
    if let Some(before) = &before {
        follow(&mut sample, before);
    }
    let mut line = serde_json::to_vec(&sample).expect("plain fields");
    line.push(b'\n');
    Some((line.into(), (engine, handle, None, Some(sample))))
}
