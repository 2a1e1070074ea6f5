//! A step that two builds need is done by one of them, while the other waits.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use gantry_ids::Digest;

use crate::Cancel;

/// How often a waiting build looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(50);

/// The keys of steps that are being done.
#[derive(Debug, Default)]
pub(super) struct Flights {
    keys: Mutex<HashSet<Digest>>,
    landed: Condvar,
}

/// The right to do a step; dropped, others may.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    key: Digest,
}

impl Flights {
    /// Takes the step, once nobody else does it; none if the build was cancelled meanwhile.
    pub(super) fn take(&self, key: Digest, cancel: &Cancel) -> Option<Flight<'_>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if cancel.is_cancelled() {
                return None;
            }
            if keys.insert(key) {
                return Some(Flight { flights: self, key });
            }
            let waited = self.landed.wait_timeout(keys, LOOK);
            keys = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Flights {
    /// Takes the first free one of a key and its variants, of which there is always another.
    pub(super) fn take_free(&self, key: &Digest) -> (Flight<'_>, Digest) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = *key;
        while !keys.insert(own) {
            own = Digest::of(own.as_bytes());
        }
        drop(keys);
        let flight = Flight {
            flights: self,
            key: own,
        };
        (flight, own)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut keys = self
            .flights
            .keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
        self.flights.landed.notify_all();
    }
}
