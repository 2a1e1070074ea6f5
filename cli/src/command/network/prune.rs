//! `gantry network prune`.

use anyhow::Result;
use serde_json::Value;

use crate::client::ClientError;
use crate::command::confirm::confirm;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Filter, filters};

/// Remove all unused networks
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Only those that meet a condition (until=…, label=…)
    #[arg(long, value_name = "filter")]
    filter: Vec<Filter>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Execute for Prune {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        const WARNING: &str =
            "WARNING! This will remove all custom networks not used by at least one container.";
        if !self.force {
            confirm(cx, WARNING)?;
        }
        let text = prune(cx, &self.filter).await?;
        cx.printer.raw(text.as_bytes())?;
        Ok(Exit::SUCCESS)
    }
}

/// Removes unused networks; what to tell.
pub(crate) async fn prune(cx: &Context, filter: &[Filter]) -> Result<String, ClientError> {
    let call = cx
        .client()
        .post("/networks/prune")
        .maybe("filters", filters(filter));
    let pruned: Value = call.fetch().await?;
    let names = pruned["NetworksDeleted"].as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    Ok(if names.is_empty() {
        String::new()
    } else {
        format!("Deleted Networks:\n{}\n\n", names.join("\n"))
    })
}
