//! `gantry rmi`, `tag` and `image prune`.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::client::ClientError;
use crate::command::confirm::confirm;
use crate::command::container::finish;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Filter, filters, platform_json, reference};
use crate::format::decimal_size;

/// Remove one or more images
#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    /// Remove it even if a stopped container uses it
    #[arg(short, long)]
    force: bool,
    /// Keep untagged parents
    #[arg(long)]
    no_prune: bool,
    /// Remove only this platform's variant (linux/amd64)
    #[arg(long, value_name = "strings")]
    platform: Vec<String>,
    #[arg(value_name = "IMAGE")]
    args: Vec<String>,
}

impl Execute for Rm {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let platforms: Result<Vec<String>> = self
            .platform
            .iter()
            .map(|text| platform_json(text))
            .collect();
        let platforms = platforms?;
        let mut errors = Vec::new();
        let mut forgiven = true;
        for name in &self.args {
            let mut call = cx
                .client()
                .delete(format!("/images/{name}"))
                .flag("force", self.force)
                .flag("noprune", self.no_prune);
            for platform in &platforms {
                call = call.query("platforms", platform.as_str());
            }
            match call.fetch::<Vec<Value>>().await {
                Ok(removed) => cx.printer.raw(told(&removed).as_bytes())?,
                Err(error @ ClientError::Refused { .. }) => {
                    forgiven &= error.is_not_found();
                    errors.push(error.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.force && forgiven && !errors.is_empty() {
            // Gone is what was asked for.
            cx.printer.say(errors.join("\n"));
            return Ok(Exit::SUCCESS);
        }
        finish(&errors)
    }
}

fn told(removed: &[Value]) -> String {
    removed
        .iter()
        .map(
            |one| match (one["Deleted"].as_str(), one["Untagged"].as_str()) {
                (Some(id), _) if !id.is_empty() => format!("Deleted: {id}\n"),
                (_, name) => format!("Untagged: {}\n", name.unwrap_or_default()),
            },
        )
        .collect()
}

/// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
#[derive(Debug, clap::Args)]
pub(crate) struct Tag {
    #[arg(value_name = "SOURCE_IMAGE")]
    args: Vec<String>,
}

impl Execute for Tag {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let target = &self.args[1];
        if let Err(error) = reference::parse(target) {
            bail!("Error parsing reference: \"{target}\" is not a valid repository/tag: {error}");
        }
        let (repo, tag) = reference::split_familiar(target)?;
        let call = cx.client().post(format!("/images/{}/tag", self.args[0]));
        call.query("repo", repo).query("tag", tag).done().await?;
        Ok(Exit::SUCCESS)
    }
}

/// Remove unused images
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
}

impl Execute for Prune {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        const DANGLING: &str = "WARNING! This will remove all dangling images.";
        const ALL: &str = "WARNING! This will remove all images without at least one container associated to them.";
        if !self.force {
            confirm(cx, if self.all { ALL } else { DANGLING })?;
        }
        let (text, freed) = prune(cx, self.all, &self.filter).await?;
        cx.printer.raw(text.as_bytes())?;
        cx.printer
            .line(format!("Total reclaimed space: {}", decimal_size(freed)))?;
        Ok(Exit::SUCCESS)
    }
}

/// Removes unused images; what to tell, and the bytes that are free again.
pub(crate) async fn prune(cx: &Context, all: bool, filter: &[Filter]) -> Result<(String, f64)> {
    let mut conditions = filter.to_vec();
    conditions.push(Filter::new("dangling", if all { "false" } else { "true" }));
    let call = cx
        .client()
        .post("/images/prune")
        .maybe("filters", filters(&conditions));
    let pruned: Value = call.fetch().await?;
    let empty = Vec::new();
    let deleted = pruned["ImagesDeleted"].as_array().unwrap_or(&empty);
    let text = if deleted.is_empty() {
        String::new()
    } else {
        let lines = told(deleted)
            .replace("Untagged: ", "untagged: ")
            .replace("Deleted: ", "deleted: ");
        format!("Deleted Images:\n{lines}\n")
    };
    Ok((text, pruned["SpaceReclaimed"].as_f64().unwrap_or(0.0)))
}
