//! The record of a container: what was asked for, what it became, where it is in its life.
//!
//! Kept as JSON with a version in the store's table of containers. The configuration is kept in the
//! API's own shape, because inspect must tell it back field by field.

use gantry_engine_api::{ContainerConfig, HostConfig, network::Endpoints};
use gantry_ids::{ContainerId, ContainerName, ImageId};
use gantry_image::ChainId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    mounts::{MountRecord, Source},
    state::{Exit, Life},
};

/// The version that this program writes.
const VERSION: u32 = 1;

/// A container, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Version of the format.
    pub v: u32,
    pub id: ContainerId,
    pub name: ContainerName,
    pub created: Timestamp,
    /// The image's id.
    pub image: ImageId,
    /// The top of the image's layers.
    pub chain: Option<ChainId>,
    /// What is run, and with which arguments, after the image's entrypoint was merged in.
    pub path: String,
    pub args: Vec<String>,
    /// The request merged with the image's configuration.
    pub config: ContainerConfig,
    pub host: HostConfig,
    /// The networks it was created with.
    pub endpoints: Endpoints,
    /// Binds, volumes and tmpfs, in the order they are mounted.
    pub mounts: Vec<MountRecord>,
    pub life: Life,
    /// The last run's facts, kept while the next one goes on.
    pub last: LastRun,
    /// Restarts by the policy since the user started it.
    pub restarts: u32,
    /// Memory ran out in this run.
    #[serde(default)]
    pub oom: bool,
    /// The user stopped it: the policy stays away.
    pub stopped_by_user: bool,
    /// The engine ended it because the machine went down: at the next boot it counts as running.
    #[serde(default)]
    pub halted: bool,
    /// Where its log is; none where the driver keeps none.
    pub log_path: Option<String>,
}

/// What is known of a container's last start and exit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    pub started: Option<Timestamp>,
    pub exit: Exit,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not JSON of this form.
    #[error("decode container record {key}")]
    Decode {
        key: String,
        #[source]
        source: serde_json::Error,
    },
    /// Written by a later version.
    #[error("container record {key} has version {version}, this engine knows up to {VERSION}")]
    Newer { key: String, version: u64 },
}

impl Record {
    /// The version to write in `v`.
    pub const CURRENT: u32 = VERSION;

    /// The record for the store.
    ///
    /// # Panics
    /// Never: every map's keys are strings.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record has string keys only")
    }

    /// Reads a record of this or an older version.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn decode(key: &str, bytes: &[u8]) -> Result<Self, RecordError> {
        let decode = |source| RecordError::Decode {
            key: key.to_owned(),
            source,
        };
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(decode)?;
        let version = value
            .get("v")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_default();
        if version > u64::from(VERSION) {
            return Err(RecordError::Newer {
                key: key.to_owned(),
                version,
            });
        }
        serde_json::from_value(value).map_err(decode)
    }

    /// The signal that asks it to stop; TERM where neither the user nor the image says.
    #[must_use]
    pub fn stop_signal(&self) -> gantry_ids::Signal {
        self.config
            .stop_signal
            .parse()
            .unwrap_or(gantry_ids::Signal::TERM)
    }

    /// Whether it has this image mounted somewhere.
    #[must_use]
    pub fn mounts_image(&self, image: &ImageId) -> bool {
        let image = image.to_string();
        self.mounts
            .iter()
            .any(|mount| matches!(&mount.source, Source::Image { id, .. } if *id == image))
    }

    /// Whether its life still counts as the one the user asked for, with a log to read.
    #[must_use]
    pub fn log_driver(&self) -> &str {
        match self.host.log_config.driver.as_str() {
            "" => "json-file",
            driver => driver,
        }
    }
}
