//! `config.json`: the parts of the OCI runtime specification that this runtime acts on.
//!
//! Leaf types come from `oci-spec`. The ones here differ where that crate is stricter than runc (an
//! unknown capability is a warning, not an error) or where runc's own message is expected for a bad
//! value, so they keep the text as it was written. Unknown fields are ignored, as runc does.

mod load;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use oci_spec::runtime::{Hooks, LinuxDevice, LinuxIdMapping, LinuxResources, Mount};
use serde::{Deserialize, Deserializer};

pub(crate) use load::{SpecError, check_process, load, load_process, parse};

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    #[serde(default)]
    pub(crate) oci_version: String,
    pub(crate) process: Option<Process>,
    pub(crate) root: Option<Root>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) hostname: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) domainname: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) mounts: Vec<Mount>,
    pub(crate) hooks: Option<Hooks>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) linux: Linux,
}

/// Where the container's files are.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Root {
    #[serde(default)]
    pub(crate) path: PathBuf,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) readonly: bool,
}

/// A process of the container: its first one, or one that `exec` adds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Process {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) terminal: bool,
    pub(crate) console_size: Option<ConsoleSize>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) user: User,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) args: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) env: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) cwd: String,
    pub(crate) capabilities: Option<Capabilities>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) rlimits: Vec<Rlimit>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) no_new_privileges: bool,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) apparmor_profile: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) selinux_label: String,
    pub(crate) oom_score_adj: Option<i32>,
    pub(crate) scheduler: Option<serde_json::Value>,
    pub(crate) io_priority: Option<serde_json::Value>,
}

/// Rows and columns of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct ConsoleSize {
    #[serde(default)]
    pub(crate) height: u16,
    #[serde(default)]
    pub(crate) width: u16,
}

/// Who the process runs as, in numbers of the container's user namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    #[serde(default)]
    pub(crate) uid: u32,
    #[serde(default)]
    pub(crate) gid: u32,
    pub(crate) umask: Option<u32>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) additional_gids: Vec<u32>,
}

/// The five sets, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Capabilities {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) bounding: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) effective: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) inheritable: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) permitted: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) ambient: Vec<String>,
}

/// One resource limit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Rlimit {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) soft: u64,
    #[serde(default)]
    pub(crate) hard: u64,
}

/// What is Linux's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Linux {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) uid_mappings: Vec<LinuxIdMapping>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) gid_mappings: Vec<LinuxIdMapping>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) sysctl: BTreeMap<String, String>,
    pub(crate) resources: Option<LinuxResources>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) cgroups_path: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) namespaces: Vec<Namespace>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) devices: Vec<LinuxDevice>,
    pub(crate) seccomp: Option<Seccomp>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) rootfs_propagation: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) masked_paths: Vec<PathBuf>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) readonly_paths: Vec<PathBuf>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) mount_label: String,
    pub(crate) intel_rdt: Option<serde_json::Value>,
    pub(crate) personality: Option<Personality>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) net_devices: HashMap<String, serde_json::Value>,
    pub(crate) memory_policy: Option<serde_json::Value>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) time_offsets: HashMap<String, serde_json::Value>,
}

/// A namespace to make, or to join where there is a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Namespace {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) path: String,
}

/// The execution domain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Personality {
    #[serde(default)]
    pub(crate) domain: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) flags: Vec<String>,
}

/// The system call filter, names as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seccomp {
    #[serde(default)]
    pub(crate) default_action: String,
    pub(crate) default_errno_ret: Option<u32>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) architectures: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) flags: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) listener_path: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) syscalls: Vec<SeccompRule>,
}

/// One rule of the filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeccompRule {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) names: Vec<String>,
    #[serde(default)]
    pub(crate) action: String,
    pub(crate) errno_ret: Option<u32>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) args: Vec<SeccompArgument>,
}

/// A comparison of one argument.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeccompArgument {
    pub(crate) index: u32,
    pub(crate) value: u64,
    #[serde(default)]
    pub(crate) value_two: u64,
    pub(crate) op: String,
}

/// Go writes an empty slice, map or pointer as `null`.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
