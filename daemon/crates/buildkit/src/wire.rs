//! The messages, clients and servers of BuildKit's contracts, generated from `proto/`.
//!
//! Names and numbers are BuildKit's; what is not used is not written down, and passed over when it
//! is received.

#[expect(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    missing_docs,
    reason = "generated code"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/contracts.rs"));
}

pub use generated::{containerd, fsutil, google, grpc, moby, pb};

pub use moby::buildkit::v1 as control;
pub use moby::buildkit::v1::frontend as gateway;
