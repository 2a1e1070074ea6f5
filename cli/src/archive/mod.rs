//! Tar archives between a container and local folders (`gantry cp`).
//!
//! The engine reads and writes the container's side; here is the local side. An archive that comes
//! from a container is hostile: it is laid out beneath one folder, resolved by the kernel
//! (`openat2`, RESOLVE_BENEATH), never by looking at strings alone.

mod pack;
mod paths;
mod rename;
mod unpack;

pub(crate) use pack::{append_one, pack};
pub(crate) use paths::{CopyPath, Stat, plan};
pub(crate) use rename::rename_top;
pub(crate) use unpack::{Layout, unpack};
