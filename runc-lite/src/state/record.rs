//! `state.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gantry_cgroup::{Cgroup, Unit};
use serde::{Deserialize, Serialize};

/// The form of the record below; a later one reads the older ones.
pub(crate) const VERSION: u32 = 1;

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// [`VERSION`].
    pub(crate) v: u32,
    pub(crate) id: String,
    /// Of the configuration.
    pub(crate) oci_version: String,
    /// The first process, on the host.
    pub(crate) pid: i32,
    /// In clock ticks since boot: with the pid it names the process for good.
    pub(crate) start_time: u64,
    pub(crate) bundle: PathBuf,
    pub(crate) rootfs: PathBuf,
    /// RFC 3339 with nanoseconds.
    pub(crate) created: String,
    /// Who made it.
    pub(crate) owner: u32,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Control groups by controller; `""` is version 2.
    pub(crate) cgroups: BTreeMap<String, PathBuf>,
    /// The systemd unit that the groups belong to, if systemd made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
}

impl Record {
    /// The container's control groups.
    pub(crate) fn cgroup(&self) -> Cgroup {
        Cgroup::from_paths(&self.cgroups)
    }

    /// The container's systemd unit.
    pub(crate) fn unit(&self) -> Option<Unit> {
        self.unit.as_deref().map(Unit::named)
    }
}
