//! Events as `GET /events` streams them, one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::json::Map;

/// Something that happened to an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventMessage {
    /// The action again, for containers and images: what clients before 1.22 read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The actor's id again, as `status`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The container's image, as `status`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// `container`, `image`, `network`, `volume`, `daemon`, …
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(rename = "Action")]
    pub action: String,
    #[serde(rename = "Actor")]
    pub actor: Actor,
    /// `local` or `swarm`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "crate::config::is_zero")]
    pub time: i64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano", skip_serializing_if = "crate::config::is_zero")]
    pub time_nano: i64,
}

/// Whom an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actor {
    #[serde(rename = "ID")]
    pub id: String,
    /// Name, image, exit code, labels, …
    #[serde(rename = "Attributes")]
    pub attributes: Map<String>,
}
