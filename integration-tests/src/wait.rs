//! Waiting for a state by asking for it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How often a state is asked for.
const EVERY: Duration = Duration::from_millis(10);

/// How many times as long as on a machine with nothing else to do is waited by default: several engines
/// and their clients run at once.
const SLOWNESS: u32 = 5;

/// A limit meant for a machine with nothing else to do, on this one: `GANTRY_TEST_SLOWNESS` times as
/// long, or [`SLOWNESS`] times. An emulated machine sets it; nothing is measured by it.
///
/// # Panics
/// When the variable is not a whole number.
#[must_use]
pub fn patience(limit: Duration) -> Duration {
    limit * factor()
}

/// Whether this machine is slower than tests take one to be.
pub(crate) fn is_slow() -> bool {
    factor() > SLOWNESS
}

fn factor() -> u32 {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    *FACTOR.get_or_init(|| match std::env::var("GANTRY_TEST_SLOWNESS") {
        Ok(factor) => factor.parse().expect("GANTRY_TEST_SLOWNESS is a number"),
        Err(_) => SLOWNESS,
    })
}

/// Asks until `state` gives something, at most for `limit` (see [`patience`]).
///
/// # Panics
/// With `what` when the limit is over.
pub fn eventually<T>(what: &str, limit: Duration, mut state: impl FnMut() -> Option<T>) -> T {
    let (start, limit) = (Instant::now(), patience(limit));
    loop {
        if let Some(value) = state() {
            return value;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(EVERY);
    }
}
