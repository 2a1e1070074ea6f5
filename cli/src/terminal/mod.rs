//! The user's terminal: raw mode, its size, detach keys, and the two threads that pump bytes.

pub(crate) fn restore_on_panic() {}
