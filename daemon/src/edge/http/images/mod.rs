//! Routes under `/images`: what the API says of the engine's images.

use std::sync::Arc;

use axum::Router;

use crate::engine::Engine;

/// The routes.
pub fn routes() -> Router<Arc<Engine>> {
    Router::new()
}
