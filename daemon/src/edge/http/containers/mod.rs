//! Routes under `/containers`.

use std::sync::Arc;

use axum::Router;

use crate::engine::Engine;

/// The routes.
pub fn routes() -> Router<Arc<Engine>> {
    Router::new()
}
