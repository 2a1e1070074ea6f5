//! The configuration of an image: docker's superset of the OCI image-spec's.
//!
//! The bytes are kept as they came, because their digest is the image's identity. The parsed form
//! reads them as Go does: `null` means absent, unknown fields are ignored.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry_ids::{Digest, ImageId, Platform};
use gantry_layer::{ChainId, DiffId};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ImageError;

/// The most bytes a configuration may have, as in dockerd.
pub(crate) const CONFIG_MAX_BYTES: usize = 4 << 20;

/// An image's configuration: the exact bytes and what they say.
#[derive(Debug, Clone)]
pub struct ImageConfig {
    raw: Arc<[u8]>,
    file: ConfigFile,
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`ImageError::Config`] if it is longer than 4 MiB, no JSON object or has wrong types.
    pub fn parse(raw: &[u8]) -> Result<Self, ImageError> {
        if raw.len() > CONFIG_MAX_BYTES {
            return Err(ImageError::ConfigTooLong { bytes: raw.len() });
        }
        // A list would be taken for the fields in order.
        if raw.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            let source = serde::de::Error::custom("not an object");
            return Err(ImageError::Config(source));
        }
        let file = serde_json::from_slice(raw).map_err(ImageError::Config)?;
        Ok(Self {
            raw: raw.into(),
            file,
        })
    }

    /// Makes the bytes of a new configuration.
    #[must_use]
    pub fn from_file(file: ConfigFile) -> Self {
        let raw = serde_json::to_vec(&file).expect("a configuration has string keys only");
        Self {
            raw: raw.into(),
            file,
        }
    }

    /// The bytes as they came.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The image's identity: the digest of the bytes.
    #[must_use]
    pub fn id(&self) -> ImageId {
        ImageId::new(Digest::of(&self.raw))
    }

    /// The parsed form.
    #[must_use]
    pub const fn file(&self) -> &ConfigFile {
        &self.file
    }

    /// What a container of this image runs with unless told otherwise.
    #[must_use]
    pub const fn run(&self) -> &RunConfig {
        &self.file.config
    }

    /// What it was made for; what it does not say is this machine's.
    #[must_use]
    pub fn platform(&self) -> Platform {
        let or = |text: &str, default: &str| match text {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        Platform {
            os: or(&self.file.os, "linux"),
            architecture: or(
                &self.file.architecture,
                &Platform::of_this_machine().architecture,
            ),
            variant: self.file.variant.clone(),
        }
    }

    /// The chain of all layers; none for an image without layers.
    #[must_use]
    pub fn chain(&self) -> Option<ChainId> {
        ChainId::of(&self.file.rootfs.diff_ids)
    }
}

/// The configuration file (image-spec, "OCI Image Configuration", with docker's additions).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigFile {
    /// Go's name of the architecture: `amd64`.
    #[serde(deserialize_with = "null_as_default")]
    pub architecture: String,
    /// Who made it.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// What was said about it when it was made.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// What a container runs with.
    #[serde(deserialize_with = "null_as_default")]
    pub config: RunConfig,
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The version of docker that made it.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub docker_version: String,
    /// How it came about, the oldest step first.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<HistoryEntry>,
    /// Go's name of the operating system: `linux`.
    #[serde(deserialize_with = "null_as_default")]
    pub os: String,
    /// The version of the operating system (Windows only).
    #[serde(
        rename = "os.version",
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// Its layers.
    #[serde(deserialize_with = "null_as_default")]
    pub rootfs: RootFs,
    /// The variant of the architecture: `v8`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub variant: String,
}

/// The layers, the lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The digests of the uncompressed tars.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<DiffId>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
        }
    }
}

/// One step of an image's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryEntry {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub created_by: String,
    /// By whom.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// What was said about it.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub empty_layer: bool,
}

/// What a container of the image runs with unless told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RunConfig {
    /// `user`, `uid`, `user:group` or `uid:gid`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// `port/protocol`, each with an empty object.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `NAME=value`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// The words before the command.
    #[serde(deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The command.
    #[serde(deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// How to tell whether a container is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Whether the command is escaped already (Windows only).
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub args_escaped: bool,
    /// Paths that get an anonymous volume, each with an empty object.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub volumes: BTreeMap<String, Empty>,
    /// The directory to start in.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// Instructions for builds on top of this image.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub on_build: Vec<String>,
    /// Labels.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks the process to end, by name or number.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub stop_signal: String,
    /// Seconds between the stop signal and the kill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// The shell of the shell forms of `RUN`, `CMD` and `ENTRYPOINT`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub shell: Vec<String>,
}

/// Go's `struct{}`: the value of a set's member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

impl<'de> Deserialize<'de> for Empty {
    /// Accepts `null` and any object, as Go does.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<serde_json::Map<String, serde_json::Value>>::deserialize(deserializer)?;
        Ok(Self {})
    }
}

/// A health check; durations in nanoseconds, 0 meaning docker's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`; empty means inherited.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// How long one may take.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// How long failures do not count after the start.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two checks in the start period.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// How many failures in a row make the container unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Words as a list or, in images of early docker, as one string.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<String>),
    }
    Ok(Option::deserialize(deserializer)?.map(|words| match words {
        Words::One(word) => vec![word],
        Words::Many(words) => words,
    }))
}
