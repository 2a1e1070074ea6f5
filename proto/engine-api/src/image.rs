//! Images: list, inspect, history, delete, load, prune.

use serde::{Deserialize, Serialize};

use crate::config::HealthConfig;
use crate::container::GraphDriver;
use crate::json::{Empty, List, Map};

/// An entry of `GET /images/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageSummary {
    /// How many containers use it; -1: not counted.
    pub containers: i64,
    /// Seconds since 1970.
    pub created: i64,
    pub id: String,
    pub labels: Map<String>,
    pub parent_id: String,
    /// Present from 1.48 on where the store knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    pub repo_digests: List<String>,
    pub repo_tags: List<String>,
    /// Bytes shared with other images; -1: not counted.
    pub shared_size: i64,
    /// Bytes.
    pub size: i64,
    /// The same as `size`, until 1.43.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<i64>,
}

/// Answer of `GET /images/{name}/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageInspect {
    pub id: String,
    pub repo_tags: List<String>,
    pub repo_digests: List<String>,
    pub parent: String,
    pub comment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    pub docker_version: String,
    pub author: String,
    pub config: Option<ImageConfig>,
    pub architecture: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    pub os: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Bytes.
    pub size: i64,
    /// The same as `size`, until 1.43.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_driver: Option<GraphDriver>,
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    pub metadata: ImageMetadata,
    /// 1.48.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
}

/// What an image says of the containers made from it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub exposed_ports: Map<Empty>,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub env: List<String>,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub entrypoint: List<String>,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub cmd: List<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub volumes: Map<Empty>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub labels: Map<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub on_build: List<String>,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub shell: List<String>,
}

/// The layers of an image, lowest first, by the digests of their uncompressed tars.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RootFs {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub layers: List<String>,
}

/// What the engine knows of an image beside its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageMetadata {
    /// Go's zero time if it was never tagged here.
    pub last_tag_time: String,
}

/// An OCI content descriptor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    /// Bytes.
    pub size: i64,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub urls: List<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
}

/// An OCI platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
    #[serde(rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    #[serde(rename = "os.features", skip_serializing_if = "List::is_empty")]
    pub os_features: List<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// An entry of `DELETE /images/{name}`: one of the two is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageDeleteItem {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub untagged: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deleted: String,
}

/// An entry of `GET /images/{name}/history`, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HistoryItem {
    pub comment: String,
    /// Seconds since 1970.
    pub created: i64,
    pub created_by: String,
    /// `<missing>` for all but the newest.
    pub id: String,
    /// Bytes.
    pub size: i64,
    pub tags: List<String>,
}

/// Answer of `POST /images/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImagesPruned {
    pub images_deleted: List<ImageDeleteItem>,
    /// Bytes.
    pub space_reclaimed: u64,
}
