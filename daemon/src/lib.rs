//! gantryd: the Docker Engine API over containerd's services.
//!
//! One way through it: [`edge`] (HTTP) → core (containers, images, networks: domain logic that
//! names no HTTP type) → ports → adapters. [`config`] is read first, [`app`] builds the parts and
//! drains them, [`engine`] is what the handlers share.

pub mod app;
pub mod build;
pub mod census;
pub mod compat;
pub mod config;
pub mod container;
pub mod edge;
pub mod embedded;
pub mod engine;
pub mod events;
pub mod exec;
pub mod glob;
pub mod host;
pub mod logs;
pub mod runtime;
pub mod space;
pub mod store;
pub mod volume;
