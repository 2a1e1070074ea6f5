//! Waiting for a state by asking for it.

use std::time::{Duration, Instant};

/// How often a state is asked for.
const EVERY: Duration = Duration::from_millis(10);

/// Asks until `state` gives something, at most for `limit`.
///
/// # Panics
/// With `what` when the limit is over.
pub fn eventually<T>(what: &str, limit: Duration, mut state: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = state() {
            return value;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(EVERY);
    }
}
