//! `gantry ps`.

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use serde_json::Value;

use super::summary::{LISTING, row};
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Filter, filters};

/// List containers
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// Show all containers, not only the running ones
    #[arg(short, long)]
    all: bool,
    /// Show only containers that meet a condition (name=…, status=…, label=…)
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    /// 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
    /// Show the n containers created last, in any state
    #[arg(short = 'n', long, value_name = "int", default_value = "-1")]
    last: i64,
    /// Show the container created last, in any state
    #[arg(short, long)]
    latest: bool,
    /// Do not cut texts short
    #[arg(long)]
    no_trunc: bool,
    /// Only print ids
    #[arg(short, long)]
    quiet: bool,
    /// Show who can reach published ports: local, lan or world
    #[arg(long, conflicts_with = "size")]
    reach: bool,
    /// Show how much disk each container takes
    #[arg(short, long)]
    size: bool,
}

impl Execute for Ls {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let format = if self.format.is_empty() {
            &cx.config.ps_format
        } else {
            &self.format
        };
        let limit = match self.last {
            -1 if self.latest => 1,
            last => last,
        };
        let reach = self.reach || format.contains(".Reach");
        let size = self.size || format.contains(".Size");
        let found: Vec<Value> = cx
            .client()
            .get("/containers/json")
            .flag("all", self.all)
            .flag("size", size)
            .maybe("limit", (limit > 0).then(|| limit.to_string()))
            .maybe("filters", filters(&self.filter))
            .fetch()
            .await?;
        if self.quiet {
            for container in &found {
                let id = container["Id"].as_str().unwrap_or_default();
                cx.printer.line(if self.no_trunc {
                    id
                } else {
                    super::short_id(id)
                })?;
            }
            return Ok(Exit::SUCCESS);
        }
        let now = Timestamp::now();
        let rows: Vec<_> = found
            .iter()
            .map(|one| {
                let row = row(one, !self.no_trunc, now);
                if reach {
                    row.with("Reach", super::summary::reach(&one["Ports"]))
                } else {
                    row
                }
            })
            .collect();
        let format = match format.as_str() {
            "" if self.reach => super::summary::REACHED,
            "" if self.size => super::summary::SIZED,
            format => format,
        };
        LISTING
            .print(&cx.printer, format, &rows)
            .map_err(|error| words_of_ps(&error))?;
        Ok(Exit::SUCCESS)
    }
}

/// docker tries the template of `ps` before it asks the engine, and says so.
fn words_of_ps(error: &anyhow::Error) -> anyhow::Error {
    let text = error.to_string();
    match text.strip_prefix("template parsing error: ") {
        Some(rest) if rest.contains("executing") => anyhow!("failed to execute template: {rest}"),
        Some(rest) => anyhow!("failed to parse template: {rest}"),
        None => anyhow!("{text}"),
    }
}
