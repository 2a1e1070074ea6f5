//! `gantry top`, `port` and `diff`: small looks into a container.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use gantry_engine_api::container::{FilesystemChange, TopResponse};
use serde_json::Value;

use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::format::aligned;

/// Display the running processes of a container
#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Top {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let options = self.args[1..].join(" ");
        let call = cx.client().get(format!("/containers/{}/top", self.args[0]));
        let top: TopResponse = call
            .maybe("ps_args", (!options.is_empty()).then_some(options))
            .fetch()
            .await?;
        let mut text = top.titles.join("\t");
        for process in top.processes.iter() {
            let _ = write!(text, "\n{}", process.join("\t"));
        }
        // docker's one table of other measures: cells of at least twenty columns.
        cx.printer.raw(aligned(&text, 20, 3).as_bytes())?;
        Ok(Exit::SUCCESS)
    }
}

/// List port mappings or a specific mapping for the container
#[derive(Debug, clap::Args)]
pub(crate) struct Port {
    /// Tell who can reach each port: local, lan or world
    #[arg(long)]
    reach: bool,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Port {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let name = &self.args[0];
        let container: Value = cx
            .client()
            .get(format!("/containers/{name}/json"))
            .fetch()
            .await?;
        let ports = &container["NetworkSettings"]["Ports"];
        if let Some(wanted) = self.args.get(1) {
            let key = if wanted.contains('/') {
                wanted.clone()
            } else {
                format!("{wanted}/tcp")
            };
            let bound = addresses(&ports[key.as_str()], self.reach);
            if bound.is_empty() {
                bail!("Error: No public port '{wanted}' published for {name}");
            }
            for address in bound {
                cx.printer.line(address)?;
            }
            return Ok(Exit::SUCCESS);
        }
        let mut lines: Vec<(u64, String)> = Vec::new();
        for (port, bindings) in ports.as_object().into_iter().flatten() {
            let number = port
                .split('/')
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            let bound = addresses(bindings, self.reach).into_iter();
            lines.extend(bound.map(|address| (number, format!("{port} -> {address}"))));
        }
        lines.sort();
        for (_, line) in lines {
            cx.printer.line(line)?;
        }
        Ok(Exit::SUCCESS)
    }
}

fn addresses(bindings: &Value, with_reach: bool) -> Vec<String> {
    let empty = Vec::new();
    let bindings = bindings.as_array().unwrap_or(&empty).iter();
    bindings
        .map(|binding| {
            let text = |key: &str| binding[key].as_str().unwrap_or_default();
            let ip = text("HostIp");
            let ip = if ip.contains(':') {
                format!("[{ip}]")
            } else {
                ip.to_owned()
            };
            let address = format!("{ip}:{}", text("HostPort"));
            match text("Reach") {
                _ if !with_reach => address,
                "" => format!("{address} (this engine does not tell)"),
                reach => format!("{address} ({reach})"),
            }
        })
        .collect()
}

/// Inspect changes to files or directories on a container's filesystem
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Diff {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let name = &self.args[0];
        if name.is_empty() {
            bail!("Container name cannot be empty");
        }
        let call = cx.client().get(format!("/containers/{name}/changes"));
        let changes: Option<Vec<FilesystemChange>> = call.fetch().await?;
        for change in changes.unwrap_or_default() {
            let mark = match change.kind {
                0 => 'C',
                1 => 'A',
                _ => 'D',
            };
            cx.printer.line(format!("{mark} {}", change.path))?;
        }
        Ok(Exit::SUCCESS)
    }
}
