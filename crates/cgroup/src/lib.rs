//! Control groups, version 1 (also hybrid) and version 2, by hand over their files.
//!
//! [`Layout`] says what the machine has mounted; a [`Cgroup`] is one container's group, in every
//! hierarchy: made, limited, joined, frozen, killed and removed by the runtime, read by the shim and
//! the supervisor ([`Cgroup::stats`], [`Cgroup::pids`], [`Cgroup::oom_kills`]).
//!
//! Deliberately not here: who may have which limits (the caller's policy), and any notification
//! loop (the counters are cheap to poll; inotify instances are scarce).

mod counters;
mod dbus;
mod device_filter;
mod devices;
mod error;
mod file;
mod freeze;
mod group;
mod io_stats;
mod join;
mod kill;
mod layout;
mod limits_v1;
mod limits_v2;
mod make;
mod stats;
mod stats_v1;
mod stats_v2;
mod systemd;

pub use dbus::BusError;
pub use error::CgroupError;
pub use group::Cgroup;
pub use join::Joiner;
pub use layout::{Hierarchy, Layout};
pub use stats::{
    CpuStats, HugetlbStats, IoOperation, IoRecord, IoStats, MemoryStats, PidsStats, Stats,
    Throttling,
};
pub use systemd::{SystemdError, Unit, Value as UnitProperty, extra_properties, is_booted};
