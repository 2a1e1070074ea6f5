//! What all handlers share: the configuration, the event bus, the stores.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::events::EventBus;

/// One engine. Cheap to share, safe to use from any task; nothing in it waits for a container.
#[derive(Debug)]
pub struct Engine {
    config: RwLock<Arc<Config>>,
    /// What happens, for `GET /events`.
    pub events: Arc<EventBus>,
    /// Cancelled when the daemon ends: every endless stream listens to it.
    pub closing: CancellationToken,
}

impl Engine {
    /// An engine with a configuration and nothing in it yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config: RwLock::new(Arc::new(config)),
            events: Arc::default(),
            closing: CancellationToken::new(),
        }
    }

    /// The configuration as it is now; a reload replaces it as a whole.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the configuration (SIGHUP).
    pub fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}
