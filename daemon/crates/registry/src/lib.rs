//! Registries: the distribution client, pulling and pushing.
//!
//! Owns the OCI distribution protocol (authentication, endpoints, manifests, blobs, uploads) and the
//! transfer of images between a registry and the image store. What decides is pure (`challenge`,
//! `token`, `auth`, `manifest`, `hosts`, `retry`); `client` speaks HTTP; `transfer` joins it to the
//! store. Deliberately not here: how layers are kept (`gantry-layer`), what an image is
//! (`gantry-image`), the Engine API's JSON.

pub mod auth;
pub mod challenge;
pub mod client;
pub mod credentials;
pub mod error;
pub mod hosts;
pub mod manifest;
pub mod media;
mod retry;
mod tls;
pub mod token;
pub mod transfer;

pub use client::{Download, Registries, Repository, SearchHit};
pub use credentials::Credentials;
pub use error::RegistryError;
pub use hosts::{ProxyOptions, Purpose, RegistryOptions};
pub use transfer::{TransferError, TransferLimits, Transfers};
