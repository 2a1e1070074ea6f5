//! Seam 1: the Docker Engine REST API, 1.24 to 1.51, over unix sockets and TCP.
//!
//! [`listen`] opens the sockets, [`server`] accepts and speaks HTTP/1.1, [`version`] takes the
//! `/v1.xx` prefix off, the router below finds a handler, and [`not_built`] answers for every other
//! operation of the API. Handlers parse with [`extract`], call the core and answer with JSON or an
//! [`error::ApiError`]; [`hijack`] gives attach and exec the client's socket.

pub mod blocking;
mod build;
pub mod client;
mod commit;
pub mod containers;
mod drain;
pub mod error;
pub mod exec;
pub mod extract;
pub mod follow;
pub mod hijack;
pub mod images;
pub mod listen;
pub mod networks;
mod not_built;
mod registry;
mod reply;
pub mod server;
mod swarm;
pub mod system;
pub mod time;
mod version;
pub mod volumes;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use gantry_engine_api::ApiVersion;
use gantry_engine_api::system::ping;
use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use tower::ServiceExt;
use tracing::{Instrument, debug_span};

use self::error::ApiError;
use crate::engine::Engine;

pub use not_built::OPERATIONS as OPERATIONS_NOT_BUILT;
pub use reply::{JsonList, json, json_lines, no_content};

/// The most bytes of a request's head: dockerd takes a megabyte, no client sends a hundredth.
pub const HEAD_MAX_BYTES: usize = 64 << 10;

/// All routes, without the version prefix.
pub fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .merge(build::routes())
        .merge(commit::routes())
        .merge(system::routes())
        .merge(containers::routes())
        .merge(exec::routes())
        .merge(images::routes())
        .merge(registry::routes())
        .merge(networks::routes())
        .merge(volumes::routes())
        .merge(swarm::routes())
        .fallback(not_built::answer)
        .method_not_allowed_fallback(not_built::answer)
        .with_state(engine)
}

/// Answers one request, from its raw path to the headers that every answer has.
pub async fn answer(router: Router, request: Request) -> Response {
    let span = debug_span!("request", name = tracing::field::Empty);
    if !span.is_disabled() {
        let name = format!("{} {}", request.method(), request.uri().path());
        span.record("name", name);
    }
    answer_in_span(router, request).instrument(span).await
}

async fn answer_in_span(router: Router, mut request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let mut response = match check(&mut request) {
        Ok(()) => match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        Err(response) => *response,
    };
    if head {
        *response.body_mut() = Body::empty();
    }
    stamp(&mut response);
    response
}

/// Refuses what no handler should see.
fn check(request: &mut Request) -> Result<(), Box<Response>> {
    let headers = request.headers().iter();
    let head_bytes: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if head_bytes + request.uri().path().len() > HEAD_MAX_BYTES {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let message = format!("the request's headers are longer than {HEAD_MAX_BYTES} bytes");
        return Err(Box::new(error::message(status, message)));
    }
    if percent_decode_str(request.uri().path())
        .decode_utf8()
        .is_err()
    {
        let error = ApiError::invalid("invalid URL escape: the path is not UTF-8");
        return Err(Box::new(error.into_response()));
    }
    version::negotiate(request).map_err(|error| Box::new(error.into_response()))
}

/// The headers that every answer of dockerd has.
fn stamp(response: &mut Response) {
    let headers = response.headers_mut();
    let version = ApiVersion::MAX.to_string();
    let version = HeaderValue::from_str(&version).expect("digits and a dot");
    headers.insert(ping::API_VERSION, version);
    headers.insert(ping::EXPERIMENTAL, HeaderValue::from_static("false"));
    headers.insert(ping::OS_TYPE, HeaderValue::from_static("linux"));
    let server = concat!("Gantry/", env!("CARGO_PKG_VERSION"), " (linux)");
    headers.insert(header::SERVER, HeaderValue::from_static(server));
}
