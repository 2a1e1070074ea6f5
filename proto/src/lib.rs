//! The gRPC contracts between the programs, in containerd's names and field numbers.
//!
//! The `.proto` files beside this crate are written here and hold what is implemented; the generated
//! modules keep the packages' names (`containerd::services::tasks::v1`, …). [`convert`] maps wire
//! values to the values programs work with; [`uds`] connects and listens on unix sockets of any path
//! length. No policy lives here, and no program's domain types.

#[expect(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated code"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/contracts.rs"));
}

pub use generated::{containerd, gantry, google, io};

pub mod convert;
pub mod metadata;
pub mod topic;
pub mod uds;

/// Largest message that is sent or accepted, in bytes: containerd's own limit.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
