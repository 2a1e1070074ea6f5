//! The crate against stock BuildKit's recorded answers, and what holds for any text.

#![expect(clippy::unwrap_used, reason = "a test's panic is its report")]

mod corpus;
mod golden;
mod graph;
mod properties;
mod stock;
