//! Containers: their records, their lives, and what the engine does with them.

pub mod error;
pub mod model;
pub mod mounts;
pub mod names;
pub mod restart;
pub mod spec;
pub mod state;
pub mod validate;
