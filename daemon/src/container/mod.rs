//! Containers: their records, their lives, and what the engine does with them.
//!
//! One task owns one container ([`actor`]); everybody else sends it commands through [`registry`] and
//! reads what it last published. The pure parts stand alone: [`state`], [`restart`], [`names`],
//! [`mounts`], [`validate`], [`spec`]. Nothing here names HTTP or a generated type.

mod accounts;
mod actor;
mod api_socket;
pub mod archive;
mod attach;
mod census;
mod changes;
pub mod create;
mod endpoints;
pub mod error;
mod exit;
pub mod failpoints;
pub mod files;
pub mod halt;
mod history;
mod inspect;
mod joins;
mod layers;
mod link_variables;
pub mod list;
mod live_ports;
mod log_attrs;
mod membership;
mod merge;
pub mod model;
pub mod mounts;
pub mod names;
mod new_volumes;
pub mod open;
pub mod operate;
mod place;
mod ports;
pub mod program;
mod propagation;
mod recover;
pub mod refusal;
pub mod registry;
pub mod remove;
pub mod restart;
mod runtimes;
mod shm;
pub mod spec;
pub(crate) mod start;
pub mod state;
mod stats;
mod summary;
mod take_over;
mod task;
mod top;
mod update;
pub mod validate;
mod volumes;
pub mod wait;

pub use actor::Expected;
pub use error::ContainerError;
pub use registry::{Containers, Handle, Parts};

/// How long what has ended is left alone: whoever was told of it goes on first, most often a client that
/// is about to end, with whom the cleaning up would share the processors.
pub(crate) const AFTER_YOU: std::time::Duration = std::time::Duration::from_millis(25);
