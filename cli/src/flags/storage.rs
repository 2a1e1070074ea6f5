//! Flags on what is mounted.

use anyhow::{Result, bail};
use gantry_engine_api::{CreateRequest, json::Empty};

use super::env::key_values;
use super::mount::MountFlag;
use super::path::absolute;

#[derive(Debug, clap::Args)]
pub(crate) struct StorageFlags {
    /// Attach a filesystem mount
    #[arg(long, value_name = "mount")]
    mount: Vec<MountFlag>,
    /// Mount the container's root filesystem read-only
    #[arg(long)]
    read_only: bool,
    /// Options of the storage driver
    #[arg(long, value_name = "list")]
    storage_opt: Vec<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "list")]
    tmpfs: Vec<String>,
    /// Bind mount a volume
    #[arg(short, long, value_name = "list")]
    volume: Vec<String>,
    /// Volume driver of the container
    #[arg(long, value_name = "string")]
    volume_driver: Option<String>,
    /// Mount volumes from another container
    #[arg(long, value_name = "list")]
    volumes_from: Vec<String>,
}

impl StorageFlags {
    pub(crate) fn apply(&self, request: &mut CreateRequest) -> Result<()> {
        let mut binds = Vec::new();
        for volume in &self.volume {
            match bind(volume)? {
                Volume::Bind(bind) => binds.push(bind),
                Volume::Anonymous(target) => {
                    request.config.volumes.insert(target, Empty::default());
                }
            }
        }
        let host = &mut request.host_config;
        host.binds = binds.into();
        host.tmpfs = self
            .tmpfs
            .iter()
            .map(|text| text.split_once(':').unwrap_or((text, "")))
            .map(|(path, options)| (path.to_owned(), options.to_owned()))
            .collect();
        host.mounts = self.mount.iter().map(|mount| mount.0.clone()).collect();
        host.readonly_rootfs = self.read_only;
        host.storage_opt = key_values(&self.storage_opt).into_iter().collect();
        host.volume_driver = self.volume_driver.clone().unwrap_or_default();
        host.volumes_from = self.volumes_from.clone().into();
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Volume {
    Bind(String),
    Anonymous(String),
}

/// `[SOURCE:]TARGET[:OPTIONS]`; a relative source is made absolute, as the engine has no folder.
fn bind(text: &str) -> Result<Volume> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [""] => bail!("invalid empty volume spec"),
        [target] => Ok(Volume::Anonymous((*target).to_owned())),
        [source, rest @ ..] => {
            if source.is_empty() || rest[0].is_empty() {
                bail!("invalid spec: {text}: empty section between colons");
            }
            let source = if source.starts_with('.') {
                absolute(source)?
            } else {
                (*source).to_owned()
            };
            Ok(Volume::Bind(format!("{source}:{}", rest.join(":"))))
        }
        [] => bail!("invalid empty volume spec"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_binds_or_anonymous() {
        assert_eq!(bind("/v").unwrap(), Volume::Anonymous("/v".into()));
        assert_eq!(bind("a:/v:ro").unwrap(), Volume::Bind("a:/v:ro".into()));
        let here = std::env::current_dir().unwrap();
        let want = format!("{}/x:/v", here.display());
        assert_eq!(bind("./x:/v").unwrap(), Volume::Bind(want));
        for text in ["", ":/v", "a:"] {
            assert!(bind(text).is_err(), "{text}");
        }
    }
}
