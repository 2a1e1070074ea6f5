//! What the tests of the whole stack stand on: an engine of its own for each test, the stock
//! docker command line and ours to drive it, and the search for what was left behind.
//!
//! With `GANTRY_ORACLE=1` the same tests run on stock dockerd instead of gantryd: each test is
//! proved there first.

pub mod client;
pub mod engine;
pub mod http;
pub mod image;
pub mod leaks;
mod process;
pub mod programs;
pub mod runtime;
pub mod usage;
pub mod wait;

pub use client::{Answer, Client};
pub use engine::{Engine, Kind};
pub use wait::{eventually, patience};
