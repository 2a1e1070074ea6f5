//! `POST /gantry/halt?t=SECONDS`, an operation of our own: every container is ended by its stop signal,
//! each within `t` seconds or its own grace, and then the daemon ends. The answer, `{"Ended": [IDs]}`,
//! comes once the containers have. It is what `gantry engine stop --all` asks for.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::Params;
use crate::edge::http::json;
use crate::engine::Engine;

pub(super) async fn halt(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult<Response> {
    let timeout_s = params.number("t")?;
    // A task of its own: a client that goes away must not leave half of them running.
    let halting = tokio::spawn(async move {
        let ended = engine.containers.halt(timeout_s).await;
        engine.ending.cancel();
        ended
    });
    let ended = halting.await.expect("ending containers does not panic");
    Ok(json(StatusCode::OK, &serde_json::json!({ "Ended": ended })))
}
