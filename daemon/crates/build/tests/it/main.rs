//! Copies against the trees that stock BuildKit makes. Needs root: owners are set.

#![expect(clippy::unwrap_used, reason = "a test's panic is its report")]

mod archive;
mod copy;
mod hostile;
mod parents;
