//! `POST /containers/{id}/wait`: the head at once, the body when the condition is met. Clients send
//! it before the start and count on both.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use gantry_engine_api::container::{WaitError, WaitResponse};
use http::header;

use crate::container::wait::WaitFor;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::engine::Engine;

pub(super) async fn wait(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let condition = match params.text("condition") {
        "" | "not-running" => WaitFor::NotRunning,
        "next-exit" => WaitFor::NextExit,
        "removed" => WaitFor::Removed,
        other => return Err(ApiError::invalid(format!("invalid condition: \"{other}\""))),
    };
    let waiting = engine.containers.wait(&id, condition)?;
    let body = stream::once(async move {
        let waited = waiting.end().await;
        let error = (!waited.error.is_empty()).then_some(WaitError {
            message: waited.error,
        });
        let answer = WaitResponse {
            status_code: i64::from(waited.code),
            error,
        };
        let mut line = serde_json::to_vec(&answer).expect("plain fields");
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(body))
        .expect("the header is valid"))
}
