//! Volumes.

use serde::{Deserialize, Serialize};

use crate::json::{List, Map};

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Volume {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    pub driver: String,
    pub labels: Map<String>,
    pub mountpoint: String,
    pub name: String,
    pub options: Map<String>,
    /// `local` or `global`.
    pub scope: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub status: Map<serde_json::Value>,
    /// Only in `GET /system/df`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<UsageData>,
}

/// What a volume costs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UsageData {
    /// Containers that use it; -1: unknown.
    pub ref_count: i64,
    /// Bytes; -1: unknown.
    pub size: i64,
}

/// Body of `POST /volumes/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeCreateRequest {
    /// Swarm only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_volume_spec: Option<serde_json::Value>,
    /// Empty: `local`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub driver_opts: Map<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub labels: Map<String>,
    /// Empty: the engine makes one up, and the volume is anonymous.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Answer of `GET /volumes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeList {
    pub volumes: List<Volume>,
    pub warnings: List<String>,
}

/// Answer of `POST /volumes/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumesPruned {
    pub volumes_deleted: List<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}
