//! Containers: create, inspect, list, wait, top, update, changes, prune.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::ContainerConfig;
use crate::host_config::HostConfig;
use crate::image::Descriptor;
use crate::json::{FromBody, JsonError, List, Map, from_value};
use crate::mount::MountPoint;
use crate::network::{Endpoints, NetworkSettings, NetworkingConfig};
use crate::port::PortSummary;

/// Body of `POST /containers/create`: the fields of the configuration stand beside `HostConfig`
/// and `NetworkingConfig` in one object.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CreateRequest {
    #[serde(flatten)]
    pub config: ContainerConfig,
    #[serde(rename = "HostConfig")]
    pub host_config: HostConfig,
    #[serde(rename = "NetworkingConfig")]
    pub networking_config: NetworkingConfig,
}

impl FromBody for CreateRequest {
    fn from_body(value: &Value) -> Result<Self, JsonError> {
        #[derive(Deserialize, Default)]
        #[serde(default, rename_all = "PascalCase")]
        struct Beside {
            host_config: HostConfig,
            networking_config: NetworkingConfig,
        }
        let config = from_value(value)?;
        let Beside {
            host_config,
            networking_config,
        } = from_value(value)?;
        Ok(Self {
            config,
            host_config,
            networking_config,
        })
    }
}

/// Answer of `POST /containers/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateResponse {
    pub id: String,
    /// Never null.
    pub warnings: List<String>,
}

/// Answer of `GET /containers/{id}/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerInspect {
    pub id: String,
    pub created: String,
    pub path: String,
    pub args: List<String>,
    pub state: ContainerState,
    /// The image's id.
    pub image: String,
    pub resolv_conf_path: String,
    pub hostname_path: String,
    pub hosts_path: String,
    pub log_path: String,
    /// With a leading slash.
    pub name: String,
    pub restart_count: i64,
    pub driver: String,
    pub platform: String,
    pub mount_label: String,
    pub process_label: String,
    pub app_armor_profile: String,
    #[serde(rename = "ExecIDs")]
    pub exec_ids: List<String>,
    pub host_config: HostConfig,
    pub graph_driver: GraphDriver,
    /// Bytes; with `size=1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes; with `size=1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    pub mounts: List<MountPoint>,
    pub config: ContainerConfig,
    pub network_settings: NetworkSettings,
    /// 1.48.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_manifest_descriptor: Option<Descriptor>,
}

/// What a container is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerState {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub status: String,
    pub running: bool,
    pub paused: bool,
    pub restarting: bool,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    pub dead: bool,
    pub pid: u32,
    pub exit_code: i64,
    /// Why it could not be started.
    pub error: String,
    /// [`NEVER`] before the first start.
    pub started_at: String,
    /// [`NEVER`] before the first exit.
    pub finished_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// Go's zero time, which stands for "not yet".
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// What the health check says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Health {
    /// `none`, `starting`, `healthy`, `unhealthy`.
    pub status: String,
    pub failing_streak: i64,
    pub log: List<HealthcheckResult>,
}

/// One run of the health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthcheckResult {
    pub start: String,
    pub end: String,
    pub exit_code: i64,
    pub output: String,
}

/// Where the root file system lies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GraphDriver {
    pub data: Map<String>,
    pub name: String,
}

/// An entry of `GET /containers/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerSummary {
    pub id: String,
    /// With leading slashes.
    pub names: List<String>,
    /// As the client named it, or the id when that name now means another image.
    pub image: String,
    #[serde(rename = "ImageID")]
    pub image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_manifest_descriptor: Option<Descriptor>,
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    pub ports: List<PortSummary>,
    /// Bytes; with `size=1`.
    #[serde(skip_serializing_if = "crate::config::is_zero")]
    pub size_rw: i64,
    /// Bytes; with `size=1`.
    #[serde(skip_serializing_if = "crate::config::is_zero")]
    pub size_root_fs: i64,
    /// Bytes of its log on the disk, part of `size_rw`; in `GET /system/df`, of Gantry alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_log: Option<i64>,
    pub labels: Map<String>,
    pub state: String,
    /// For people: `Up 2 minutes`.
    pub status: String,
    pub host_config: SummaryHostConfig,
    pub network_settings: SummaryNetworkSettings,
    pub mounts: List<MountPoint>,
}

/// The part of `HostConfig` in a list's entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryHostConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network_mode: String,
    /// 1.46.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String>,
}

/// The part of `NetworkSettings` in a list's entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryNetworkSettings {
    pub networks: Endpoints,
}

/// Answer of `POST /containers/{id}/wait`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitResponse {
    pub status_code: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitError>,
}

/// Why a wait ended otherwise than by the container's exit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitError {
    pub message: String,
}

/// Answer of `GET /containers/{id}/top`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TopResponse {
    pub titles: List<String>,
    /// One row a process, a cell a title.
    pub processes: List<List<String>>,
}

/// Answer of `POST /containers/{id}/update`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateResponse {
    pub warnings: List<String>,
}

/// An entry of `GET /containers/{id}/changes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct FilesystemChange {
    pub path: String,
    /// One of the constants.
    pub kind: u8,
}

impl FilesystemChange {
    /// It is another than the image's.
    pub const MODIFIED: u8 = 0;
    /// The image does not have it.
    pub const ADDED: u8 = 1;
    /// The image has it, the container not.
    pub const DELETED: u8 = 2;
}

/// Answer of `POST /containers/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainersPruned {
    pub containers_deleted: List<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// `X-Docker-Container-Path-Stat`: base64 of this as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PathStat {
    /// The last part of the path.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Go's `os.FileMode`: permission bits with the kind in the high bits.
    pub mode: u32,
    pub mtime: String,
    #[serde(rename = "linkTarget")]
    pub link_target: String,
}
