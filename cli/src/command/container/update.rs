//! `gantry update`: limits, the restart policy and published ports of containers that exist.

use anyhow::{Result, bail};
use gantry_engine_api::List;
use gantry_engine_api::container::{ContainerInspect, UpdateResponse};
use gantry_engine_api::host_config::UpdateRequest;
use gantry_engine_api::port::PortBinding;

use super::each::finish;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Limits, port_map, restart_policy};

/// Update configuration of one or more containers
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Update {
    #[command(flatten)]
    limits: Limits,
    /// Publish a port as -p does, also while the container runs
    #[arg(long, value_name = "list")]
    publish_add: Vec<String>,
    /// Take a published port away ([[IP:]HOST:]CONTAINER[/PROTOCOL]), also while the container runs
    #[arg(long, value_name = "list")]
    publish_rm: Vec<String>,
    /// Restart policy to apply when a container exits
    #[arg(long, value_name = "string")]
    restart: Option<String>,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Update {
    fn request(&self) -> Result<UpdateRequest> {
        let limits = &self.limits;
        let request = UpdateRequest {
            blkio_weight: limits.blkio_weight.unwrap_or(0),
            cpu_period: limits.cpu_period.unwrap_or(0),
            cpu_quota: limits.cpu_quota.unwrap_or(0),
            cpu_realtime_period: limits.cpu_rt_period.unwrap_or(0),
            cpu_realtime_runtime: limits.cpu_rt_runtime.unwrap_or(0),
            cpu_shares: limits.cpu_shares.unwrap_or(0),
            nano_cpus: limits.cpus.map_or(0, |cpus| cpus.0),
            cpuset_cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
            cpuset_mems: limits.cpuset_mems.clone().unwrap_or_default(),
            memory: limits.memory.map_or(0, |bytes| bytes.0),
            memory_reservation: limits.memory_reservation.map_or(0, |bytes| bytes.0),
            memory_swap: limits.memory_swap.map_or(0, |bytes| bytes.0),
            pids_limit: limits.pids_limit,
            restart_policy: self
                .restart
                .as_deref()
                .map(restart_policy)
                .transpose()?
                .unwrap_or_default(),
            publish_add: port_map(&self.publish_add)?,
            publish_rm: port_map(&self.publish_rm)?,
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
                Ok(update) => match check_ports(cx, name, &request).await {
                    Ok(()) => {
                        cx.printer.line(name)?;
                        warnings.extend(update.warnings.iter().cloned());
                    }
                    Err(error) => errors.push(error.to_string()),
                },
                Err(error) => errors.push(error.to_string()),
            }
        }
        if !warnings.is_empty() {
            cx.printer.line(warnings.join("\n"))?;
        }
        finish(&errors)
    }
}

/// An engine that does not know these fields passes them over: whether it did is seen in what it tells.
async fn check_ports(cx: &Context, name: &str, request: &UpdateRequest) -> Result<()> {
    if request.publish_add.is_empty() && request.publish_rm.is_empty() {
        return Ok(());
    }
    let call = cx.client().get(format!("/containers/{name}/json"));
    let container: ContainerInspect = call.fetch().await?;
    let has = &container.host_config.port_bindings;
    let has = |port: &str, binding: &PortBinding| {
        let own = has.get(port).map(List::as_slice);
        own.unwrap_or_default().contains(binding)
    };
    for (port, bindings) in &request.publish_add {
        if !bindings.iter().all(|binding| has(port, binding)) {
            bail!("{name}: this engine does not publish ports of containers that exist");
        }
    }
    let added = |port: &str, binding: &PortBinding| {
        let own = request.publish_add.get(port).map(List::as_slice);
        own.unwrap_or_default().contains(binding)
    };
    for (port, bindings) in &request.publish_rm {
        let stays = |binding: &PortBinding| has(port, binding) && !added(port, binding);
        if bindings.iter().any(stays) {
            bail!("{name}: this engine does not take published ports away");
        }
    }
    Ok(())
}
