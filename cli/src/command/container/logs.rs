//! `gantry logs`.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use crate::client::Reply;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::format::timestamp_argument;
use crate::terminal::Output;

/// Fetch the logs of a container
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// Show extra details that were given to the log driver
    #[arg(long)]
    details: bool,
    /// Follow what is still to come
    #[arg(short, long)]
    follow: bool,
    /// Show lines since a time (2026-01-02T13:23:37Z) or a duration ago (42m)
    #[arg(long, value_name = "string")]
    since: Option<String>,
    /// Number of lines to show from the end
    #[arg(short = 'n', long, value_name = "string", default_value = "all")]
    tail: String,
    /// Show when each line was written
    #[arg(short, long)]
    timestamps: bool,
    /// Show lines before a time or a duration ago
    #[arg(long, value_name = "string")]
    until: Option<String>,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Logs {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let now = Timestamp::now();
        let moment = |text: &Option<String>| {
            text.as_deref()
                .map(|text| timestamp_argument(text, now))
                .transpose()
        };
        let (since, until) = (moment(&self.since)?, moment(&self.until)?);
        let name = &self.args[0];
        let reply = cx
            .client()
            .get(format!("/containers/{name}/logs"))
            .flag("details", self.details)
            .flag("follow", self.follow)
            .flag("stdout", true)
            .flag("stderr", true)
            .flag("timestamps", self.timestamps)
            .maybe("since", since)
            .maybe("until", until)
            .query("tail", self.tail.as_str())
            .send()
            .await?;
        let framed = match reply.is_multiplexed() {
            Some(framed) => framed,
            None => !is_terminal(cx, name).await?,
        };
        copy(reply, Output::new(framed)).await?;
        Ok(Exit::SUCCESS)
    }
}

/// Engines before API 1.42 do not say how they frame.
async fn is_terminal(cx: &Context, name: &str) -> Result<bool> {
    let container: Value = cx
        .client()
        .get(format!("/containers/{name}/json"))
        .fetch()
        .await?;
    Ok(container["Config"]["Tty"] == true)
}

async fn copy(mut reply: Reply, mut output: Output) -> Result<()> {
    while let Some(chunk) = reply.chunk().await? {
        output.feed(&chunk)?;
    }
    output.finish()?;
    Ok(())
}
