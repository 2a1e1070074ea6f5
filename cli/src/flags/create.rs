//! All flags of `create`, which `run` shares, and the request they make.

use anyhow::{Result, bail};
use gantry_engine_api::CreateRequest;
use gantry_engine_api::host_config::LogConfig;

use super::env::key_values;
use super::health::HealthFlags;
use super::network::NetworkFlags;
use super::process::ProcessFlags;
use super::resources::ResourceFlags;
use super::restart::restart_policy;
use super::security::SecurityFlags;
use super::storage::StorageFlags;

#[derive(Debug, clap::Args)]
pub(crate) struct CreateFlags {
    /// Write the container's id to a file
    #[arg(long, value_name = "string")]
    pub(crate) cidfile: Option<String>,
    /// Skip image verification (it is not done)
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    /// Logging driver of the container
    #[arg(long, value_name = "string")]
    log_driver: Option<String>,
    /// Options of the log driver
    #[arg(long, value_name = "list")]
    log_opt: Vec<String>,
    /// Name of the container
    #[arg(long, value_name = "string")]
    pub(crate) name: Option<String>,
    /// Platform of the image (linux/amd64)
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    /// Pull the image first: always, missing or never
    #[arg(long, value_name = "string", default_value = "missing")]
    pub(crate) pull: String,
    /// Say nothing while pulling
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// What to do when the container exits (no, on-failure[:N], always, unless-stopped)
    #[arg(long, value_name = "string", default_value = "no")]
    restart: String,
    /// Remove the container, and its anonymous volumes, when it exits
    #[arg(long)]
    pub(crate) rm: bool,
    /// Bind the engine's socket into the container (not built yet)
    #[arg(long)]
    use_api_socket: bool,
    #[command(flatten)]
    pub(crate) process: ProcessFlags,
    #[command(flatten)]
    resources: ResourceFlags,
    #[command(flatten)]
    storage: StorageFlags,
    #[command(flatten)]
    network: NetworkFlags,
    #[command(flatten)]
    security: SecurityFlags,
    #[command(flatten)]
    health: HealthFlags,
}

impl CreateFlags {
    /// The body of `POST /containers/create` for an image and its command.
    pub(crate) fn request(&self, image: &str, command: &[String]) -> Result<CreateRequest> {
        if self.use_api_socket {
            bail!("--use-api-socket is not built yet; bind the socket with -v");
        }
        if !matches!(self.pull.as_str(), "always" | "missing" | "never" | "") {
            bail!(
                "invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"",
                self.pull
            );
        }
        let mut request = CreateRequest::default();
        self.process.apply(&mut request)?;
        self.storage.apply(&mut request)?;
        self.network.apply(&mut request)?;
        self.resources.apply(&mut request.host_config)?;
        self.security.apply(&mut request.host_config)?;
        request.config.healthcheck = self.health.check()?;
        image.clone_into(&mut request.config.image);
        if !command.is_empty() {
            request.config.cmd = command.to_vec().into();
        }
        let host = &mut request.host_config;
        host.restart_policy = restart_policy(&self.restart)?;
        host.auto_remove = self.rm;
        if self.rm && !matches!(host.restart_policy.name.as_str(), "no" | "") {
            bail!("conflicting options: cannot specify both --restart and --rm");
        }
        host.log_config = self.logging()?;
        host.container_id_file = self.cidfile.clone().unwrap_or_default();
        Ok(request)
    }

    fn logging(&self) -> Result<LogConfig> {
        let driver = self.log_driver.clone().unwrap_or_default();
        if driver == "none" && !self.log_opt.is_empty() {
            bail!("invalid logging opts for driver none");
        }
        Ok(LogConfig {
            driver,
            config: key_values(&self.log_opt).into_iter().collect(),
        })
    }
}
