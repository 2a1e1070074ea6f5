//! What was told of a container's networks, so that what was not can be told afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use gantry_engine_api::event::EventMessage;

use super::{EventBus, EventKind};

/// A container joined a network.
pub const CONNECT: &str = "connect";
/// It left it.
pub const DISCONNECT: &str = "disconnect";

impl EventBus {
    /// What was told last of a container and each network, by the network's identifier: that it joined, or left.
    #[must_use]
    pub fn memberships(&self, container: &str) -> BTreeMap<String, Arc<EventMessage>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let told = ring.events.iter().map(|kept| &kept.event).filter(|event| {
            event.kind == EventKind::Network.as_str()
                && [CONNECT, DISCONNECT].contains(&event.action.as_str())
                && event.actor.attributes.get("container").map(String::as_str) == Some(container)
        });
        told.map(|event| (event.actor.id.clone(), Arc::clone(event)))
            .collect()
    }

    /// Whether nothing is forgotten that was told at or after a time.
    #[must_use]
    pub fn reaches_back_to(&self, since_ns: i64) -> bool {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = ring.events.front();
        oldest.is_some_and(|oldest| oldest.event.time_nano <= since_ns)
    }
}
