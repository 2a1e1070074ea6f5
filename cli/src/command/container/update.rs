//! `gantry update`: limits and the restart policy of containers that exist.

use anyhow::{Result, bail};
use gantry_engine_api::container::UpdateResponse;
use gantry_engine_api::host_config::UpdateRequest;

use super::each::finish;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Bytes, Cpus, SwapBytes, restart_policy};

/// Update configuration of one or more containers
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Update {
    /// Block IO weight (10 to 1000), or 0 to disable it
    #[arg(long, value_name = "uint16")]
    blkio_weight: Option<u16>,
    /// Limit the CPU's CFS period (microseconds)
    #[arg(long, value_name = "int")]
    cpu_period: Option<i64>,
    /// Limit the CPU's CFS quota (microseconds)
    #[arg(long, value_name = "int")]
    cpu_quota: Option<i64>,
    /// Limit the CPU's real-time period (microseconds)
    #[arg(long, value_name = "int")]
    cpu_rt_period: Option<i64>,
    /// Limit the CPU's real-time runtime (microseconds)
    #[arg(long, value_name = "int")]
    cpu_rt_runtime: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "int")]
    cpu_shares: Option<i64>,
    /// Number of CPUs
    #[arg(long, value_name = "decimal")]
    cpus: Option<Cpus>,
    /// CPUs the container may use (0-3, 0,1)
    #[arg(long, value_name = "string")]
    cpuset_cpus: Option<String>,
    /// Memory nodes the container may use (0-3, 0,1)
    #[arg(long, value_name = "string")]
    cpuset_mems: Option<String>,
    /// Memory limit
    #[arg(short, long, value_name = "bytes")]
    memory: Option<Bytes>,
    /// Memory soft limit
    #[arg(long, value_name = "bytes")]
    memory_reservation: Option<Bytes>,
    /// Limit of memory and swap together: -1 for unlimited swap
    #[arg(long, value_name = "bytes")]
    memory_swap: Option<SwapBytes>,
    /// Limit of processes (-1 for unlimited)
    #[arg(long, value_name = "int")]
    pids_limit: Option<i64>,
    /// Restart policy to apply when a container exits
    #[arg(long, value_name = "string")]
    restart: Option<String>,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Update {
    fn request(&self) -> Result<UpdateRequest> {
        let request = UpdateRequest {
            blkio_weight: self.blkio_weight.unwrap_or(0),
            cpu_period: self.cpu_period.unwrap_or(0),
            cpu_quota: self.cpu_quota.unwrap_or(0),
            cpu_realtime_period: self.cpu_rt_period.unwrap_or(0),
            cpu_realtime_runtime: self.cpu_rt_runtime.unwrap_or(0),
            cpu_shares: self.cpu_shares.unwrap_or(0),
            nano_cpus: self.cpus.map_or(0, |cpus| cpus.0),
            cpuset_cpus: self.cpuset_cpus.clone().unwrap_or_default(),
            cpuset_mems: self.cpuset_mems.clone().unwrap_or_default(),
            memory: self.memory.map_or(0, |bytes| bytes.0),
            memory_reservation: self.memory_reservation.map_or(0, |bytes| bytes.0),
            memory_swap: self.memory_swap.map_or(0, |bytes| bytes.0),
            pids_limit: self.pids_limit,
            restart_policy: self
                .restart
                .as_deref()
                .map(restart_policy)
                .transpose()?
                .unwrap_or_default(),
            ..UpdateRequest::default()
        };
        if request == UpdateRequest::default() {
            bail!("you must provide one or more flags when using this command");
        }
        Ok(request)
    }
}

impl Execute for Update {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let request = self.request()?;
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        for name in &self.args {
            let call = cx
                .client()
                .post(format!("/containers/{name}/update"))
                .json(&request);
            match call.fetch::<UpdateResponse>().await {
                Ok(update) => {
                    cx.printer.line(name)?;
                    warnings.extend(update.warnings.iter().cloned());
                }
                Err(error) => errors.push(error.to_string()),
            }
        }
        if !warnings.is_empty() {
            cx.printer.line(warnings.join("\n"))?;
        }
        finish(&errors)
    }
}
