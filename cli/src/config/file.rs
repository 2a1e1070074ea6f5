//! docker's client configuration, read and never written: the current context, detach keys and
//! default formats.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// The keys of `config.json` that this program honours; all others are left to docker.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ConfigFile {
    pub(crate) current_context: String,
    pub(crate) detach_keys: String,
    pub(crate) ps_format: String,
    pub(crate) images_format: String,
    pub(crate) networks_format: String,
    pub(crate) volumes_format: String,
    pub(crate) stats_format: String,
    #[serde(skip)]
    dir: PathBuf,
}

impl ConfigFile {
    /// Reads `DIR/config.json`; a missing file is an empty one.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let mut config: Self = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("error loading config file: {}", path.display()))?,
            // Not only a missing file: an unreadable home is no reason to fail `ps`.
            Err(_) => Self::default(),
        };
        config.dir = dir.to_owned();
        Ok(config)
    }

    /// The folder that `--config`, `DOCKER_CONFIG` or the home names.
    pub(crate) fn folder(flag: Option<&str>) -> PathBuf {
        let env = std::env::var_os("DOCKER_CONFIG").filter(|dir| !dir.is_empty());
        match (flag, env) {
            (Some(dir), _) => dir.into(),
            (None, Some(dir)) => dir.into(),
            (None, None) => {
                let home = std::env::var_os("HOME").unwrap_or_default();
                Path::new(&home).join(".docker")
            }
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}
