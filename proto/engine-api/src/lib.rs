//! The Docker Engine API's types, versions 1.24 to 1.51, shared by gantryd and gantry.
//!
//! Owns the names and shapes of the REST seam: bodies, answers, filters, version numbers, and
//! [`json`], which reads and writes JSON with Go's manners (what stock clients and engines use).
//! It does no I/O and decides no policy: what a field does, or whether it is refused, is the
//! engine's affair.
//!
//! Conventions: Rust names are the wire's in snake case. A Go slice or map is a [`json::List`] or
//! [`json::Map`], which keeps `null` and empty apart; a Go pointer is an `Option`; a timestamp is
//! a `String` in RFC 3339 with nanoseconds. Sizes are bytes, durations of health checks are
//! nanoseconds, as on the wire.

pub mod build;
pub mod config;
pub mod container;
pub mod error;
pub mod event;
pub mod exec;
pub mod filters;
pub mod host_config;
pub mod image;
pub mod json;
pub mod mount;
pub mod network;
pub mod port;
pub mod progress;
pub mod stats;
pub mod system;
pub mod version;
pub mod volume;

pub use config::ContainerConfig;
pub use container::CreateRequest;
pub use error::ErrorResponse;
pub use event::EventMessage;
pub use filters::Filters;
pub use host_config::{HostConfig, Resources};
pub use json::{List, Map};
pub use version::ApiVersion;
