//! `gantry volume rm` and `volume prune`.

use anyhow::Result;
use serde_json::Value;

use crate::command::confirm::confirm;
use crate::command::container::finish;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Filter, filters};
use crate::format::decimal_size;

/// Remove one or more volumes
#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    /// Do not mind volumes that do not exist
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "VOLUME")]
    args: Vec<String>,
}

impl Execute for Rm {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let mut errors = Vec::new();
        for name in &self.args {
            match cx
                .client()
                .delete(format!("/volumes/{name}"))
                .flag("force", self.force)
                .done()
                .await
            {
                Ok(()) => cx.printer.line(name)?,
                Err(error) if error.status().is_some() => errors.push(error.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        finish(&errors)
    }
}

/// Remove unused local volumes
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove named volumes too, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    /// Only those that meet a condition (label=…)
    #[arg(long, value_name = "filter")]
    filter: Vec<Filter>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Execute for Prune {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        const ANONYMOUS: &str =
            "WARNING! This will remove anonymous local volumes not used by at least one container.";
        const ALL: &str =
            "WARNING! This will remove all local volumes not used by at least one container.";
        if !self.force {
            confirm(cx, if self.all { ALL } else { ANONYMOUS })?;
        }
        let (text, freed) = prune(cx, self.all, &self.filter).await?;
        cx.printer.raw(text.as_bytes())?;
        cx.printer
            .line(format!("Total reclaimed space: {}", decimal_size(freed)))?;
        Ok(Exit::SUCCESS)
    }
}

/// Removes unused volumes; what to tell, and the bytes that are free again.
pub(crate) async fn prune(cx: &Context, all: bool, filter: &[Filter]) -> Result<(String, f64)> {
    let mut conditions = filter.to_vec();
    if all {
        conditions.push(Filter::new("all", "true"));
    }
    let call = cx
        .client()
        .post("/volumes/prune")
        .maybe("filters", filters(&conditions));
    let pruned: Value = call.fetch().await?;
    let names = pruned["VolumesDeleted"].as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    let text = if names.is_empty() {
        String::new()
    } else {
        format!("Deleted Volumes:\n{}\n\n", names.join("\n"))
    };
    Ok((text, pruned["SpaceReclaimed"].as_f64().unwrap_or(0.0)))
}
