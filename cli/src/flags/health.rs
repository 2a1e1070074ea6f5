//! `--health-*` and `--no-healthcheck`.

use anyhow::{Result, bail};
use gantry_engine_api::config::HealthConfig;

use super::units::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct HealthFlags {
    /// Command to run to check health
    #[arg(long, value_name = "string")]
    health_cmd: Option<String>,
    /// Time between checks (ms|s|m|h)
    #[arg(long, value_name = "duration")]
    health_interval: Option<Duration>,
    /// Failures in a row that make the container unhealthy
    #[arg(long, value_name = "int")]
    health_retries: Option<i64>,
    /// Time between checks while the container starts (ms|s|m|h)
    #[arg(long, value_name = "duration")]
    health_start_interval: Option<Duration>,
    /// Time a container may take to start before failures count (ms|s|m|h)
    #[arg(long, value_name = "duration")]
    health_start_period: Option<Duration>,
    /// Time one check may take (ms|s|m|h)
    #[arg(long, value_name = "duration")]
    health_timeout: Option<Duration>,
    /// Switch off the image's health check
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthFlags {
    /// The health check that the flags describe; `None` leaves the image's own.
    pub(crate) fn check(&self) -> Result<Option<HealthConfig>> {
        let nanos = |duration: Option<Duration>| duration.map_or(0, |duration| duration.0);
        let mut check = HealthConfig {
            interval: nanos(self.health_interval),
            timeout: nanos(self.health_timeout),
            start_period: nanos(self.health_start_period),
            start_interval: nanos(self.health_start_interval),
            retries: self.health_retries.unwrap_or(0),
            ..HealthConfig::default()
        };
        let negative = [
            ("--health-interval", check.interval),
            ("--health-timeout", check.timeout),
            ("--health-retries", check.retries),
            ("--health-start-period", check.start_period),
            ("--health-start-interval", check.start_interval),
        ];
        if let Some((flag, _)) = negative.iter().find(|(_, value)| *value < 0) {
            bail!("{flag} cannot be negative");
        }
        let command = self.health_cmd.as_deref().unwrap_or_default();
        if self.no_healthcheck {
            if check != HealthConfig::default() || !command.is_empty() {
                bail!("--no-healthcheck conflicts with --health-* options");
            }
            check.test = vec!["NONE".to_owned()].into();
        } else if !command.is_empty() {
            check.test = vec!["CMD-SHELL".to_owned(), command.to_owned()].into();
        }
        Ok((check != HealthConfig::default()).then_some(check))
    }
}
