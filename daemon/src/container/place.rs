//! How far the supervisor's journal has been handled, as the engine keeps it.

use serde::{Deserialize, Serialize};

use crate::events::Cause;

/// The key of [`Place`] in the engine's own table.
pub(super) const PLACE: &str = "journal";

/// How far the supervisor's journal has been handled, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Place {
    v: u32,
    at: Cause,
}

impl Place {
    const VERSION: u32 = 1;

    pub(super) fn encode(at: Cause) -> Vec<u8> {
        let place = Self {
            v: Self::VERSION,
            at,
        };
        serde_json::to_vec(&place).expect("plain fields")
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Cause> {
        let place: Self = serde_json::from_slice(bytes).ok()?;
        (place.v == Self::VERSION).then_some(place.at)
    }
}
