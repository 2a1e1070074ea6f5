//! BuildKit's doors: `POST /grpc`, where buildx calls, and `POST /session`, where it is called back.
//!
//! Both leave HTTP/1.1 for HTTP/2 on the same connection. On the first one the daemon serves, on the
//! second one the client does.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use gantry_buildkit::service::Service;
use gantry_buildkit::session::Offer;
use gantry_errors::chain;
use http::{HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::ServiceExt;
use tracing::debug;

use crate::edge::http::error::{ApiError, ApiResult};
use crate::engine::Engine;

/// How long a client may take to leave HTTP/1.1.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of one call a client may send ahead, bytes.
const CALL_WINDOW_BYTES: u32 = 1 << 20;

/// How much of all calls. It is never used up: no call waits for another's reader, and small messages
/// of a session that is carried within a call are no attack.
const WINDOW_BYTES: u32 = 256 << 20;

/// How many calls a client may have going on at once.
const CALLS_MAX: u32 = 250;

/// `POST /grpc`.
pub(super) async fn grpc(State(engine): State<Arc<Engine>>, request: Request) -> ApiResult {
    let (response, upgrade) = accept(request)?;
    let (service, closing) = (engine.buildkit.service.clone(), engine.closing.clone());
    tokio::spawn(closing.run_until_cancelled_owned(async move {
        if let Some(io) = upgraded(upgrade).await {
            serve(&service, io).await;
        }
    }));
    Ok(response)
}

/// `POST /session`.
pub(super) async fn session(State(engine): State<Arc<Engine>>, request: Request) -> ApiResult {
    let offer = Offer::from_headers(request.headers())
        .ok_or_else(|| ApiError::invalid("the request names no session"))?;
    let (response, upgrade) = accept(request)?;
    let (sessions, closing) = (
        Arc::clone(&engine.buildkit.sessions),
        engine.closing.clone(),
    );
    tokio::spawn(closing.run_until_cancelled_owned(async move {
        let Some(io) = upgraded(upgrade).await else {
            return;
        };
        let id = offer.id.clone();
        if let Err(error) = sessions.serve(offer, io).await {
            debug!(session.id = %id, error = %chain(&error), "a session was refused");
        }
    }));
    Ok(response)
}

/// Grants the upgrade; the connection follows once the answer was sent.
fn accept(request: Request) -> Result<(Response, OnUpgrade), ApiError> {
    let (mut parts, _) = request.into_parts();
    let wants_h2 = parts
        .headers
        .get(header::UPGRADE)
        .is_some_and(|value| value == "h2c");
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let upgrade = upgrade
        .filter(|_| wants_h2)
        .ok_or_else(|| ApiError::invalid("the request does not ask for an upgrade to h2c"))?;
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .extension(ReasonPhrase::from_static(b"UPGRADED"))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, HeaderValue::from_static("h2c"))
        .body(Body::empty())
        .expect("all headers are valid");
    Ok((response, upgrade))
}

async fn upgraded(upgrade: OnUpgrade) -> Option<Upgraded> {
    let upgraded = tokio::time::timeout(UPGRADE_TIMEOUT, upgrade).await;
    upgraded.ok()?.ok()
}

/// Answers a client's calls until it is gone; calls that go on then are dropped, and with them the
/// builds they are for.
async fn serve(service: &Service, io: Upgraded) {
    let routes = service.routes();
    let answer =
        service_fn(move |request: http::Request<Incoming>| routes.clone().oneshot(request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(CALL_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(CALLS_MAX)
        .serve_connection(io, answer);
    if let Err(error) = connection.await {
        debug!(error = %chain(&error), "a client's calls ended");
    }
}
