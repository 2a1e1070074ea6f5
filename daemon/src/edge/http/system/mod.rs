//! Routes of the engine itself: ping, version, info, events, disk usage.

mod disk_usage;
mod events;
mod fsck;
mod halt;
mod info;
mod version;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gantry_engine_api::system::ping;
use http::{HeaderValue, StatusCode, header};

use crate::engine::Engine;

/// The routes.
pub fn routes() -> Router<Arc<Engine>> {
    Router::new()
        .route("/_ping", get(pong))
        .route("/version", get(version::show))
        .route("/info", get(info::show))
        .route("/system/df", get(disk_usage::show))
        .route("/events", get(events::stream))
        .route("/gantry/fsck", post(fsck::check))
        .route("/plugins", get(plugins))
        .route("/gantry/halt", post(halt::halt))
}

/// There are none.
async fn plugins() -> Response {
    super::json(StatusCode::OK, &[(); 0])
}

/// `GET` and `HEAD /_ping`: what every client asks first.
async fn pong() -> Response {
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = [
        (header::CONTENT_TYPE, text),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-store, must-revalidate"),
        ),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    let mut response = (StatusCode::OK, headers, "OK").into_response();
    let headers = response.headers_mut();
    headers.insert(ping::BUILDER_VERSION, HeaderValue::from_static("2"));
    headers.insert(ping::SWARM, HeaderValue::from_static("inactive"));
    response
}
