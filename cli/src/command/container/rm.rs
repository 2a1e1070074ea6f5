//! `gantry rm`, `rename` and `container prune`.

use anyhow::{Result, bail};
use gantry_engine_api::container::ContainersPruned;

use super::each::each;
use crate::command::confirm::confirm;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};
use crate::flags::{Filter, filters};
use crate::format::decimal_size;

/// Remove one or more containers
#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    /// Kill the container first, if it runs
    #[arg(short, long)]
    force: bool,
    /// Remove the link, not the container
    #[arg(short, long)]
    link: bool,
    /// Remove the container's anonymous volumes too
    #[arg(short, long)]
    volumes: bool,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Rm {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        if self
            .args
            .iter()
            .any(|name| name.trim_matches('/').is_empty())
        {
            bail!("container name cannot be empty");
        }
        let call = |name: &str| {
            let call = cx
                .client()
                .delete(format!("/containers/{}", name.trim_matches('/')))
                .flag("v", self.volumes)
                .flag("link", self.link)
                .flag("force", self.force);
            async move {
                match call.done().await {
                    // Gone is what was asked for; the user still hears that it was not there.
                    Err(error) if self.force && error.is_not_found() => Err(error),
                    end => end,
                }
            }
        };
        match each(cx, &self.args, call).await {
            Err(error) if self.force => forgive_missing(cx, error),
            end => end,
        }
    }
}

/// `rm -f` of what does not exist is told and succeeds.
fn forgive_missing(cx: &Context, error: anyhow::Error) -> Result<Exit> {
    let Some(failure) = error.downcast_ref::<Failure>() else {
        return Err(error);
    };
    if failure
        .text
        .lines()
        .any(|line| !line.contains("No such container"))
    {
        return Err(error);
    }
    cx.printer.say(&failure.text);
    Ok(Exit::SUCCESS)
}

/// Rename a container
#[derive(Debug, clap::Args)]
pub(crate) struct Rename {
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Rename {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let (old, new) = (self.args[0].trim(), self.args[1].trim());
        if old.is_empty() || new.is_empty() {
            bail!("Error: Neither old nor new names may be empty");
        }
        let call = cx
            .client()
            .post(format!("/containers/{old}/rename"))
            .query("name", new);
        match call.done().await {
            Ok(()) => Ok(Exit::SUCCESS),
            Err(error) if error.status().is_some() => {
                bail!("{error}\nError: failed to rename container named {old}")
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Remove all stopped containers
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
        const WARNING: &str = "WARNING! This will remove all stopped containers.";
        if !self.force {
            confirm(cx, WARNING)?;
        }
        let (text, freed) = prune(cx, &self.filter).await?;
        cx.printer.raw(text.as_bytes())?;
        cx.printer
            .line(format!("Total reclaimed space: {}", decimal_size(freed)))?;
        Ok(Exit::SUCCESS)
    }
}

/// Removes stopped containers; what to tell, and the bytes that are free again.
pub(crate) async fn prune(cx: &Context, filter: &[Filter]) -> Result<(String, f64)> {
    let call = cx
        .client()
        .post("/containers/prune")
        .maybe("filters", filters(filter));
    let pruned: ContainersPruned = call.fetch().await?;
    let mut text = String::new();
    if !pruned.containers_deleted.is_empty() {
        text = format!(
            "Deleted Containers:\n{}\n\n",
            pruned.containers_deleted.join("\n")
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    Ok((text, pruned.space_reclaimed as f64))
}
