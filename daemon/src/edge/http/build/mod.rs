//! `docker build`: the classic door, the build cache, and BuildKit's door.
//!
//! BuildKit's is not built yet: buildx asks for `POST /grpc` with an upgrade to HTTP/2, and takes a
//! refusal there for an engine without BuildKit: it would then pull a BuildKit image and run it as a
//! container. So the upgrade is granted, and every call inside is refused.

mod cache;
mod classic;
mod context;
mod params;
mod stream;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderValue, StatusCode, header};
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::Status;
use tracing::debug;

use super::error::ApiError;
use crate::engine::Engine;

pub(super) use cache::usage;

const WHAT: &str = "docker build with BuildKit";

/// How long a refused gRPC session may last; buildx closes it at once.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

/// The routes.
pub(super) fn routes() -> Router<Arc<Engine>> {
    Router::new()
        .route("/build", post(classic::build))
        .route("/build/cancel", post(classic::cancel))
        .route("/build/prune", post(cache::prune))
        .route("/grpc", post(buildkit))
}

async fn buildkit(request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let wants_h2 = parts
        .headers
        .get(header::UPGRADE)
        .is_some_and(|value| value == "h2c");
    let Some(upgrade) = parts.extensions.remove::<OnUpgrade>().filter(|_| wants_h2) else {
        return ApiError::not_built(WHAT).into_response();
    };
    tokio::spawn(async move {
        if let Ok(io) = upgrade.await {
            refuse_calls(io).await;
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .extension(ReasonPhrase::from_static(b"UPGRADED"))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, HeaderValue::from_static("h2c"))
        .body(Body::empty())
        .expect("all headers are valid")
}

/// Answers every gRPC call on the connection with UNIMPLEMENTED and the message.
async fn refuse_calls(io: Upgraded) {
    let service = service_fn(|_| async {
        let refusal = Status::unimplemented(ApiError::not_built(WHAT).message());
        Ok::<_, Infallible>(refusal.into_http::<tonic::body::Body>())
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .serve_connection(io, service);
    if let Ok(Err(error)) = tokio::time::timeout(SESSION_TIMEOUT, connection).await {
        debug!(error = %gantry_errors::chain(&error), "a build session ended");
    }
}
