//! A container's configuration that depends on the host: limits, mounts, networks, privileges.
//!
//! Go embeds `Resources` in `HostConfig` and in the body of update, so that its fields stand beside
//! the others in one JSON object. Here the fields are written once, in [`with_resources`], and each
//! struct that has them can be read from and given a [`Resources`].

use serde::{Deserialize, Serialize};

use crate::config::is_zero;
use crate::json::{List, Map, str_slice};
use crate::mount::Mount;
use crate::port::PortMap;

/// Declares a struct with the fields of `Resources` between its own.
macro_rules! with_resources {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$before_meta:meta])* pub $before:ident: $before_type:ty,)*
            ..Resources,
            $($(#[$after_meta:meta])* pub $after:ident: $after_type:ty,)*
        }
    ) => {
        with_resources! { @fields
            { $(#[$meta])* } $name
            { $($(#[$before_meta])* pub $before: $before_type,)* }
            { $($(#[$after_meta])* pub $after: $after_type,)* }
            /// Relative weight against other containers; 0: the kernel's default.
            cpu_shares: i64,
            /// Memory limit in bytes; 0: none.
            memory: i64,
            /// CPU limit in 10⁻⁹ CPUs; 0: none.
            nano_cpus: i64,
            cgroup_parent: String,
            /// 10 to 1000; 0: the kernel's default.
            blkio_weight: u16,
            blkio_weight_device: List<WeightDevice>,
            blkio_device_read_bps: List<ThrottleDevice>,
            blkio_device_write_bps: List<ThrottleDevice>,
            #[serde(rename = "BlkioDeviceReadIOps")]
            blkio_device_read_iops: List<ThrottleDevice>,
            #[serde(rename = "BlkioDeviceWriteIOps")]
            blkio_device_write_iops: List<ThrottleDevice>,
            /// Microseconds.
            cpu_period: i64,
            /// Microseconds in each period.
            cpu_quota: i64,
            /// Microseconds.
            cpu_realtime_period: i64,
            /// Microseconds.
            cpu_realtime_runtime: i64,
            /// `0-3,5`.
            cpuset_cpus: String,
            cpuset_mems: String,
            devices: List<DeviceMapping>,
            /// Rules of the device controller, as `c 42:* rmw`.
            device_cgroup_rules: List<String>,
            device_requests: List<DeviceRequest>,
            /// Bytes; the kernel has no such limit any more.
            #[serde(skip_serializing_if = "is_zero")]
            kernel_memory: i64,
            #[serde(rename = "KernelMemoryTCP", skip_serializing_if = "is_zero")]
            kernel_memory_tcp: i64,
            /// Soft limit in bytes.
            memory_reservation: i64,
            /// Memory plus swap in bytes; -1: no limit on swap; 0: twice the memory.
            memory_swap: i64,
            /// 0 to 100.
            memory_swappiness: Option<i64>,
            oom_kill_disable: Option<bool>,
            /// 0 and -1: no limit.
            pids_limit: Option<i64>,
            ulimits: List<Ulimit>,
            /// Windows.
            cpu_count: i64,
            /// Windows.
            cpu_percent: i64,
            /// Windows.
            #[serde(rename = "IOMaximumIOps")]
            io_maximum_iops: u64,
            /// Windows.
            #[serde(rename = "IOMaximumBandwidth")]
            io_maximum_bandwidth: u64,
        }
    };
    (@fields
        { $(#[$meta:meta])* } $name:ident { $($before:tt)* } { $($after:tt)* }
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "PascalCase")]
        pub struct $name {
            $($before)*
            $($(#[$field_meta])* pub $field: $type,)*
            $($after)*
        }

        impl $name {
            /// A copy of the resources alone.
            #[must_use]
            pub fn resources(&self) -> Resources {
                Resources { $($field: self.$field.clone(),)* }
            }

            /// Replaces the resources.
            pub fn set_resources(&mut self, resources: Resources) {
                $(self.$field = resources.$field;)*
            }
        }
    };
}

with_resources! {
    /// The limits of a container: cgroup settings, devices, ulimits.
    pub struct Resources {
        ..Resources,
    }
}

with_resources! {
    /// Body of `POST /containers/{id}/update`: a zero leaves a limit as it is.
    pub struct UpdateRequest {
        ..Resources,
        pub restart_policy: RestartPolicy,
        /// Gantry's own: ports to publish.
        #[serde(skip_serializing_if = "Map::is_empty")]
        pub publish_add: PortMap,
        /// Gantry's own: published ports to take away; what a binding leaves empty may be anything, a nil
        /// list means all of the container's port.
        #[serde(skip_serializing_if = "Map::is_empty")]
        pub publish_rm: PortMap,
    }
}

with_resources! {
    /// The host's part of a container's definition.
    pub struct HostConfig {
        /// `source:target[:options]`.
        pub binds: List<String>,
        #[serde(rename = "ContainerIDFile")]
        pub container_id_file: String,
        pub log_config: LogConfig,
        /// `bridge`, `host`, `none`, `container:ID`, or a network's name.
        pub network_mode: String,
        pub port_bindings: PortMap,
        pub restart_policy: RestartPolicy,
        pub auto_remove: bool,
        pub volume_driver: String,
        pub volumes_from: List<String>,
        /// Height and width of the terminal in characters.
        pub console_size: [u32; 2],
        #[serde(skip_serializing_if = "Map::is_empty")]
        pub annotations: Map<String>,
        #[serde(deserialize_with = "str_slice")]
        pub cap_add: List<String>,
        #[serde(deserialize_with = "str_slice")]
        pub cap_drop: List<String>,
        /// `private` or `host`.
        pub cgroupns_mode: String,
        pub dns: List<String>,
        pub dns_options: List<String>,
        pub dns_search: List<String>,
        /// `name:address`.
        pub extra_hosts: List<String>,
        pub group_add: List<String>,
        /// `none`, `private`, `shareable`, `host` or `container:ID`.
        pub ipc_mode: String,
        pub cgroup: String,
        pub links: List<String>,
        pub oom_score_adj: i64,
        /// `host` or `container:ID`.
        pub pid_mode: String,
        pub privileged: bool,
        pub publish_all_ports: bool,
        pub readonly_rootfs: bool,
        pub security_opt: List<String>,
        #[serde(skip_serializing_if = "Map::is_empty")]
        pub storage_opt: Map<String>,
        /// Mount options by path.
        #[serde(skip_serializing_if = "Map::is_empty")]
        pub tmpfs: Map<String>,
        #[serde(rename = "UTSMode")]
        pub uts_mode: String,
        pub userns_mode: String,
        /// Bytes; 0: the engine's default.
        pub shm_size: i64,
        #[serde(skip_serializing_if = "Map::is_empty")]
        pub sysctls: Map<String>,
        #[serde(skip_serializing_if = "String::is_empty")]
        pub runtime: String,
        /// Windows.
        pub isolation: String,
        ..Resources,
        #[serde(skip_serializing_if = "List::is_empty")]
        pub mounts: List<Mount>,
        /// Nil: the engine's default list; `[]`: none.
        pub masked_paths: List<String>,
        /// Nil: the engine's default list; `[]`: none.
        pub readonly_paths: List<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub init: Option<bool>,
    }
}

/// Where a container's output is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LogConfig {
    /// `json-file`, `none`; empty: the engine's default.
    #[serde(rename = "Type")]
    pub driver: String,
    pub config: Map<String>,
}

/// When an exited container is started again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `no` (or empty), `always`, `unless-stopped`, `on-failure`.
    pub name: String,
    /// Only with `on-failure`; 0: no limit.
    pub maximum_retry_count: i64,
}

/// A block device's share of I/O.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WeightDevice {
    pub path: String,
    pub weight: u16,
}

/// A block device's limit, in bytes or operations a second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ThrottleDevice {
    pub path: String,
    pub rate: u64,
}

/// A device of the host made available inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DeviceMapping {
    pub path_on_host: String,
    pub path_in_container: String,
    /// Of `r`, `w` and `m`.
    pub cgroup_permissions: String,
}

/// A request for devices that a driver chooses (GPUs).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DeviceRequest {
    pub driver: String,
    /// -1: all.
    pub count: i64,
    #[serde(rename = "DeviceIDs")]
    pub device_ids: List<String>,
    /// Alternatives of sets.
    pub capabilities: List<List<String>>,
    pub options: Map<String>,
}

/// A resource limit of a process; -1: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ulimit {
    pub name: String,
    pub hard: i64,
    pub soft: i64,
}
