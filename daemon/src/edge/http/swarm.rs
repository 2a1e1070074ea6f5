//! Operations of swarm mode on a node that is in no swarm, as dockerd answers them.
//!
//! There is no swarm in Gantry: making or joining one is not built ([`super::not_built`]); all other
//! operations are those of a manager, which this node is not.

use std::num::IntErrorKind;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use gantry_errors::ErrorKind;

use super::error::ApiError;

const NO_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker \
                          swarm join\" to connect this node to swarm and try again.";
const NO_MEMBER: &str = "This node is not part of a swarm";

/// The routes.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new()
        .route("/swarm", get(manager))
        .route("/swarm/leave", post(member))
        .route("/swarm/update", post(update))
        .route("/swarm/unlockkey", get(manager))
        .route("/swarm/unlock", post(manager))
        .route("/services/{id}/logs", get(manager))
        .route("/tasks", get(manager))
        .route("/tasks/{id}", get(manager))
        .route("/tasks/{id}/logs", get(manager))
        .route("/nodes", get(manager))
        .route("/nodes/{id}", object())
        .route("/nodes/{id}/update", post(update));
    for kind in ["services", "secrets", "configs"] {
        router = router
            .route(&format!("/{kind}"), get(manager))
            .route(&format!("/{kind}/create"), post(manager))
            .route(&format!("/{kind}/{{id}}"), object())
            .route(&format!("/{kind}/{{id}}/update"), post(update));
    }
    router
}

fn object<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    get(manager).merge(delete(manager))
}

async fn manager() -> Response {
    ApiError::new(ErrorKind::Unavailable, NO_MANAGER).into_response()
}

async fn member() -> Response {
    ApiError::new(ErrorKind::Unavailable, NO_MEMBER).into_response()
}

/// An update says which version of the object it is meant for; that is looked at first.
async fn update(request: Request) -> Response {
    let kind = request.uri().path().split('/').nth(1).unwrap_or_default();
    let query = request.uri().query().unwrap_or_default();
    let version = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "version")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    let Err(error) = version.parse::<u64>() else {
        return manager().await;
    };
    let why = match error.kind() {
        IntErrorKind::PosOverflow => "value out of range",
        _ => "invalid syntax",
    };
    let kind = kind.trim_end_matches('s');
    ApiError::invalid(format!(
        "invalid {kind} version '{version}': strconv.ParseUint: parsing \"{version}\": {why}"
    ))
    .into_response()
}
