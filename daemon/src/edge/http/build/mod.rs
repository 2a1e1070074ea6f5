//! `docker build`: the classic door, BuildKit's doors, and the build cache.

mod buildkit;
mod cache;
mod classic;
mod context;
mod events;
mod params;
mod secrets;
mod shell;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;

use crate::engine::Engine;

pub(super) use cache::usage;

/// The routes.
pub(super) fn routes() -> Router<Arc<Engine>> {
    Router::new()
        .route("/build", post(classic::build))
        .route("/build/cancel", post(classic::cancel))
        .route("/build/shell/{id}", post(shell::enter))
        .route("/build/shell/{id}/resize", post(shell::resize))
        .route("/build/prune", post(cache::prune))
        .route("/grpc", post(buildkit::grpc))
        .route("/session", post(buildkit::session))
}
