//! Groups of flags that several commands share, and how each becomes a part of a request.

mod create;
mod devices;
mod env;
mod filter;
mod health;
mod mount;
mod network;
mod path;
mod platform;
mod ports;
mod process;
pub(crate) mod reference;
mod resources;
mod restart;
mod security;
mod storage;
mod units;

pub(crate) use create::CreateFlags;
pub(crate) use env::{environment, key_values};
pub(crate) use filter::{Filter, filters};
pub(crate) use mount::csv;
pub(crate) use network::extra_host;
pub(crate) use platform::platform_json;
pub(crate) use ports::port_map;
pub(crate) use resources::{Limits, UlimitFlag};
pub(crate) use restart::restart_policy;
pub(crate) use units::{Bytes, SwapBytes};
