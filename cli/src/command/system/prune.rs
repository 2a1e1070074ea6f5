//! `gantry system prune`.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::client::ClientError;
use crate::command::confirm::confirm;
use crate::command::{container, image, network, volume};
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::Filter;
use crate::format::decimal_size;

/// Remove unused data
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Only those that meet a condition (until=…, label=…)
    #[arg(long, value_name = "filter")]
    filter: Vec<Filter>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Remove anonymous volumes too
    #[arg(long)]
    volumes: bool,
}

impl Execute for Prune {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        if self.volumes && self.filter.iter().any(Filter::is_until) {
            bail!("ERROR: The \"until\" filter is not supported with \"--volumes\"");
        }
        if !self.force {
            confirm(cx, &self.warning())?;
        }
        let (text, mut freed) = container::prune(cx, &self.filter).await?;
        cx.printer.raw(text.as_bytes())?;
        let text = allowed(network::prune(cx, &self.filter).await)?;
        cx.printer.raw(text.unwrap_or_default().as_bytes())?;
        if self.volumes {
            let (text, bytes) = volume::prune(cx, false, &self.filter).await?;
            cx.printer.raw(text.as_bytes())?;
            freed += bytes;
        }
        let (text, bytes) = image::prune(cx, self.all, &self.filter).await?;
        cx.printer.raw(text.as_bytes())?;
        freed += bytes + allowed(build_cache(cx, self.all).await)?.unwrap_or(0.0);
        cx.printer
            .line(format!("Total reclaimed space: {}", decimal_size(freed)))?;
        Ok(Exit::SUCCESS)
    }
}

/// What an engine does not have cannot be unused.
fn allowed<T>(end: Result<T, ClientError>) -> Result<Option<T>> {
    match end {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.status(), Some(404 | 501)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn build_cache(cx: &Context, all: bool) -> Result<f64, ClientError> {
    let pruned: Value = cx
        .client()
        .post("/build/prune")
        .flag("all", all)
        .fetch()
        .await?;
    Ok(pruned["SpaceReclaimed"].as_f64().unwrap_or(0.0))
}

impl Prune {
    fn warning(&self) -> String {
        let mut lines = vec![
            "all stopped containers",
            "all networks not used by at least one container",
        ];
        if self.volumes {
            lines.push("all anonymous volumes not used by at least one container");
        }
        lines.push(if self.all {
            "all images without at least one container associated to them"
        } else {
            "all dangling images"
        });
        lines.push(if self.all {
            "all build cache"
        } else {
            "unused build cache"
        });
        format!("WARNING! This will remove:\n  - {}\n", lines.join("\n  - "))
    }
}
