//! Routes under `/networks`: what the API says of the engine's networks.

use std::sync::Arc;

use axum::Router;

use crate::engine::Engine;

/// The routes.
pub fn routes() -> Router<Arc<Engine>> {
    Router::new()
}
