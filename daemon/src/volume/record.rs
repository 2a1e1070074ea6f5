//! A volume's record, and how a new one is made.

use std::collections::BTreeMap;

use gantry_engine_api::Map;
use gantry_ids::VolumeName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ANONYMOUS_LABEL, VolumeError, local};

/// The version of the records that this program writes.
const VERSION: u32 = 1;

/// A volume, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// Version of the format.
    pub v: u32,
    pub name: VolumeName,
    pub created: Timestamp,
    pub labels: BTreeMap<String, String>,
    /// The engine made up its name.
    pub anonymous: bool,
    /// Options of the local driver, if any.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// The name that its directory had before the last change of name.
    #[serde(default)]
    pub was: Option<VolumeName>,
}

/// A name that a client chose.
pub(super) fn parse(name: &str) -> Result<VolumeName, VolumeError> {
    name.parse().map_err(|source| VolumeError::Name {
        name: name.to_owned(),
        source,
    })
}

/// A new volume's record.
pub(super) fn record(
    name: VolumeName,
    anonymous: bool,
    options: &Map<String>,
    labels: &BTreeMap<String, String>,
) -> Result<VolumeRecord, VolumeError> {
    let options = options.clone().into_inner();
    local::check(&options).map_err(|source| VolumeError::Options {
        name: name.to_string(),
        source,
    })?;
    let mut labels = labels.clone();
    if anonymous {
        labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
    }
    Ok(VolumeRecord {
        v: VERSION,
        name,
        created: Timestamp::now(),
        labels,
        anonymous,
        options,
        was: None,
    })
}
