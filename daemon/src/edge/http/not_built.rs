//! Operations of the API that are not built yet, and paths that are none.
//!
//! Every operation of the Engine API is either routed or in this table, so that a client learns
//! "not built" (501) from "no such page" (404). A test walks the API's list.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::Method;

use super::error::ApiError;
use crate::engine::Engine;

const SWARM: &str = "swarm mode";
const PLUGINS: &str = "engine plugins";

/// What is not built: method, path with `*` for one segment and `**` for one or more, and what it is
/// part of.
pub const OPERATIONS: &[(&str, &str, &str)] = &[
    ("GET", "/images/**/attestations", "image attestations"),
    (
        "GET",
        "/containers/*/attach/ws",
        "attaching through a websocket",
    ),
    ("GET", "/containers/*/checkpoints", "checkpoints"),
    ("POST", "/containers/*/checkpoints", "checkpoints"),
    ("DELETE", "/containers/*/checkpoints/*", "checkpoints"),
    ("PUT", "/volumes/*", "cluster volumes"),
    ("GET", "/plugins/privileges", PLUGINS),
    ("POST", "/plugins/pull", PLUGINS),
    ("DELETE", "/plugins/**", PLUGINS),
    ("POST", "/plugins/**/enable", PLUGINS),
    ("POST", "/plugins/**/disable", PLUGINS),
    ("POST", "/plugins/**/upgrade", PLUGINS),
    ("POST", "/plugins/create", PLUGINS),
    ("POST", "/plugins/**/push", PLUGINS),
    ("POST", "/plugins/**/set", PLUGINS),
    ("POST", "/swarm/init", SWARM),
    ("POST", "/swarm/join", SWARM),
];

/// Where one plugin is inspected.
const PLUGIN: &str = "/plugins/**/json";

/// Answers whatever no route takes.
pub(super) async fn answer(State(_): State<Arc<Engine>>, request: Request) -> Response {
    refusal(request.method(), request.uri().path()).into_response()
}

/// The refusal for an operation: 501 if the API has it, 404 if not.
pub(super) fn refusal(method: &Method, path: &str) -> ApiError {
    // There are no plugins, so that asking for one is answered: `inspect NAME` asks last of all.
    if method == Method::GET && matches(PLUGIN, path) {
        let name = path
            .trim_start_matches("/plugins/")
            .trim_end_matches("/json");
        return ApiError::not_found(format!("plugin \"{name}\" not found"));
    }
    let operation = OPERATIONS
        .iter()
        .find(|(verb, pattern, _)| *verb == method.as_str() && matches(pattern, path));
    match operation {
        Some((_, _, what)) => ApiError::not_built(what),
        None => ApiError::not_found("page not found"),
    }
}

/// Whether a path fits a pattern; a trailing slash is no segment.
fn matches(pattern: &str, path: &str) -> bool {
    fn rest(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**"], [_, ..]) => true,
            (["**", wanted @ ..], [_, left @ ..]) => rest(wanted, left) || rest(pattern, left),
            (["*", wanted @ ..], [_, left @ ..]) => rest(wanted, left),
            ([word, wanted @ ..], [segment, left @ ..]) => word == segment && rest(wanted, left),
            _ => false,
        }
    }
    // A pattern has at most one `**`: the depth of the search is the number of segments.
    let pattern: Vec<_> = pattern.split('/').skip(1).collect();
    let path: Vec<_> = path.trim_end_matches('/').split('/').skip(1).collect();
    rest(&pattern, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(method: &str, path: &str) -> String {
        refusal(&Method::from_bytes(method.as_bytes()).unwrap(), path)
            .message()
            .to_owned()
    }

    #[test]
    fn what_the_api_has_and_gantry_has_not_is_told_apart_from_nothing() {
        assert_eq!(
            told("POST", "/swarm/init"),
            "swarm mode is not built yet in Gantry"
        );
        assert!(told("GET", "/images/a/b:1/attestations").starts_with("image attestations"));
        for (method, path) in [("GET", "/nope"), ("DELETE", "/swarm"), ("GET", "/")] {
            assert_eq!(told(method, path), "page not found", "{method} {path}");
        }
    }
}
