//! What is mounted into a container: `-v`, `--mount`, `--tmpfs` and the image's volumes, read and
//! merged as dockerd does.
//!
//! Pure but for the caller's answer whether a path exists. Making directories, volumes and copies of
//! the image's content is the caller's; so is the order of the runtime's mounts (`spec::mounts`).

use std::collections::BTreeMap;

use gantry_engine_api::{ContainerConfig, HostConfig, mount::MountPoint};
use serde::{Deserialize, Serialize};

mod bind;
pub mod hint;
mod volume_from;

pub use bind::parse_bind;
pub use volume_from::{inherit, parse as volumes_from};

/// One mount of a container, as it is kept in its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountRecord {
    /// Absolute path in the container, cleaned.
    pub target: String,
    pub source: Source,
    pub writable: bool,
    /// The options as the user wrote them (`ro,z`), for inspect.
    pub mode: String,
}

/// Where a mount's content comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// A path of the host.
    Bind {
        path: String,
        /// `rprivate`, `rslave`, …
        propagation: String,
        /// Without the mounts beneath it.
        flat: bool,
        /// How deep read-only goes.
        depth: ReadOnlyDepth,
        /// Made as a directory where it is missing.
        create: bool,
        /// User and group of the host whose files belong to the container's user within.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<(u32, u32)>,
    },
    /// A volume.
    Volume {
        name: String,
        driver: String,
        /// Its directory on the host.
        path: String,
        /// The engine made up its name: it goes with the container.
        anonymous: bool,
        /// Stays empty instead of getting the image's content.
        no_copy: bool,
        /// A directory within it.
        subpath: String,
        /// What it is made with, where it is not there yet.
        #[serde(default)]
        options: BTreeMap<String, String>,
        #[serde(default)]
        labels: BTreeMap<String, String>,
    },
    /// An image's content, read only.
    Image {
        /// As the user wrote it.
        reference: String,
        /// What that is; empty until the container is made.
        id: String,
        /// A path within it.
        subpath: String,
    },
    /// Memory.
    Tmpfs {
        /// Options beside dockerd's own, in order.
        options: Vec<String>,
    },
}

/// How a read-only bind treats the mounts beneath it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadOnlyDepth {
    /// Recursive where the kernel can.
    #[default]
    BestEffort,
    /// Only the mount itself.
    Flat,
    /// Recursive or an error.
    Forced,
}

/// A mount that cannot be; dockerd's texts. [`MountError::Internal`] are those it answers with 500.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    #[error("invalid volume specification: '{0}'")]
    Specification(String),
    #[error("invalid volume specification: '{spec}': {why}")]
    SpecificationWhy { spec: String, why: Box<MountError> },
    #[error("invalid mode: {0}")]
    Mode(String),
    #[error("invalid mount config for type \"{kind}\": {why}")]
    Config { kind: String, why: String },
    #[error("invalid mount path: '{0}' mount path must be absolute")]
    NotAbsolute(String),
    #[error("{option} must not be specified on mount type \"{kind}\"")]
    Option { option: &'static str, kind: String },
    #[error("Duplicate mount point: {0}")]
    Duplicate(String),
    #[error("create {name}: {source}")]
    VolumeName {
        name: String,
        #[source]
        source: gantry_ids::NameError,
    },
    #[error("{0} is not implemented yet")]
    NotBuilt(&'static str),
}

impl MountError {
    /// Whether dockerd answers it with 500 instead of 400.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(
            self,
            Self::Specification(_) | Self::SpecificationWhy { .. } | Self::Mode(_)
        )
    }
}

impl MountRecord {
    /// As inspect and list tell it.
    #[must_use]
    pub fn to_api(&self) -> MountPoint {
        let mut point = MountPoint {
            destination: self.target.clone(),
            mode: self.mode.clone(),
            rw: self.writable,
            ..MountPoint::default()
        };
        match &self.source {
            Source::Bind {
                path, propagation, ..
            } => {
                point.kind = "bind".to_owned();
                point.source.clone_from(path);
                point.propagation.clone_from(propagation);
            }
            Source::Volume {
                name, driver, path, ..
            } => {
                point.kind = "volume".to_owned();
                point.name.clone_from(name);
                point.driver.clone_from(driver);
                point.source.clone_from(path);
            }
            Source::Image { reference, .. } => {
                point.kind = "image".to_owned();
                point.name.clone_from(reference);
                point.propagation = "rprivate".to_owned();
            }
            Source::Tmpfs { .. } => point.kind = "tmpfs".to_owned(),
        }
        point
    }
}

/// Lexically cleans an absolute path, as Go's `filepath.Clean`.
#[must_use]
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// What the user asked for, merged: `--volumes-from` first (`inherited`), then binds, then mounts,
/// then the image's and `-v /path` volumes where nothing else is mounted; tmpfs of `--tmpfs` last.
/// Volumes still lack their directory; those of no name lack a name too.
///
/// # Errors
/// [`MountError`].
pub fn requested(
    config: &ContainerConfig,
    host: &HostConfig,
    inherited: Vec<MountRecord>,
) -> Result<Vec<MountRecord>, MountError> {
    let mut merged: BTreeMap<String, MountRecord> = inherited
        .into_iter()
        .map(|mount| (mount.target.clone(), mount))
        .collect();
    let mut asked: BTreeMap<String, MountRecord> = BTreeMap::new();
    let mut add = |mount: MountRecord| {
        let target = mount.target.clone();
        if asked.insert(target.clone(), mount).is_some() {
            return Err(MountError::Duplicate(target));
        }
        Ok(())
    };
    for spec in host.binds.iter() {
        add(parse_bind(spec, &host.volume_driver)?)?;
    }
    for mount in host.mounts.iter() {
        add(bind::parse_mount(mount)?)?;
    }
    for (target, options) in host.tmpfs.iter() {
        let tmpfs = tmpfs_option(target, options)?;
        if asked.contains_key(&tmpfs.target) {
            return Err(MountError::Duplicate(tmpfs.target));
        }
        merged.insert(tmpfs.target.clone(), tmpfs);
    }
    merged.extend(asked);
    for (target, _) in config.volumes.iter() {
        let target = clean(target);
        merged.entry(target.clone()).or_insert_with(|| MountRecord {
            target,
            source: Source::Volume {
                name: String::new(),
                driver: "local".to_owned(),
                path: String::new(),
                anonymous: true,
                no_copy: false,
                subpath: String::new(),
                options: BTreeMap::new(),
                labels: BTreeMap::new(),
            },
            writable: true,
            mode: String::new(),
        });
    }
    Ok(merged.into_values().collect())
}

/// `--tmpfs /path:options`.
fn tmpfs_option(target: &str, options: &str) -> Result<MountRecord, MountError> {
    if !target.starts_with('/') {
        return Err(MountError::NotAbsolute(target.to_owned()));
    }
    let options: Vec<String> = options
        .split(',')
        .filter(|o| !o.is_empty())
        .map(str::to_owned)
        .collect();
    Ok(MountRecord {
        target: clean(target),
        writable: !options.iter().any(|o| o == "ro"),
        mode: options.join(","),
        source: Source::Tmpfs { options },
    })
}

#[cfg(test)]
mod tests;
