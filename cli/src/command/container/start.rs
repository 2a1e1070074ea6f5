//! `gantry start` and `attach`.

use anyhow::{Result, bail};
use serde_json::Value;

use super::session::{Attachment, Left, ask_exit, exit_code, with_signals};
use crate::client::ClientError;
use crate::context::Context;
use crate::dispatch::{Execute, go_bool};
use crate::exit::{Exit, Failure};
use crate::terminal::{catch, require_terminal};

/// Start one or more stopped containers
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// Attach STDOUT and STDERR, and pass signals on
    #[arg(short, long)]
    attach: bool,
    /// Restore from this checkpoint (not built yet)
    #[arg(long, value_name = "string", hide = true)]
    checkpoint: Option<String>,
    /// Folder of checkpoints (not built yet)
    #[arg(long, value_name = "string", hide = true)]
    checkpoint_dir: Option<String>,
    /// Key sequence that detaches from the container
    #[arg(long, value_name = "string")]
    detach_keys: Option<String>,
    /// Attach the container's STDIN
    #[arg(short, long)]
    interactive: bool,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Start {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        if self.checkpoint.is_some() || self.checkpoint_dir.is_some() {
            bail!("checkpoints are not built yet");
        }
        if !self.attach && !self.interactive {
            return start_each(cx, &self.args).await;
        }
        let [name] = self.args.as_slice() else {
            bail!("you cannot start and attach multiple containers at once");
        };
        self.attached(cx, name).await
    }
}

async fn start_each(cx: &Context, names: &[String]) -> Result<Exit> {
    let mut failed = Vec::new();
    for name in names {
        match cx
            .client()
            .post(format!("/containers/{name}/start"))
            .done()
            .await
        {
            Ok(()) => {
                cx.printer.line(name)?;
                cx.printer.flush()?;
            }
            Err(error @ ClientError::Refused { .. }) => {
                cx.printer.say(error);
                failed.push(name.as_str());
            }
            Err(error) => return Err(error.into()),
        }
    }
    if failed.is_empty() {
        return Ok(Exit::SUCCESS);
    }
    bail!("Error: failed to start containers: {}", failed.join(", "))
}

impl Start {
    async fn attached(&self, cx: &Context, name: &str) -> Result<Exit> {
        let container: Value = cx
            .client()
            .get(format!("/containers/{name}/json"))
            .fetch()
            .await?;
        let id = container["Id"].as_str().unwrap_or(name).to_owned();
        let config = &container["Config"];
        let attachment = Attachment {
            stdin: self.interactive && config["OpenStdin"] == true,
            stdout: true,
            stderr: true,
            tty: config["Tty"] == true,
            detach_keys: keys(cx, self.detach_keys.as_ref()),
            redraw: false,
        };
        // A terminal passes the keys themselves.
        let caught = (!attachment.tty).then(catch);
        with_signals(cx, &id, caught, async {
            let hijacked = attachment.open(cx.client(), &id).await?;
            let removed = container["HostConfig"]["AutoRemove"] == true;
            let condition = if removed { "removed" } else { "next-exit" };
            let exit = ask_exit(cx.client(), &id, condition).await?;
            cx.client()
                .post(format!("/containers/{id}/start"))
                .done()
                .await?;
            let object = format!("/containers/{id}");
            match attachment.pump(cx, hijacked, Some(&object)).await? {
                Left::Detached => Ok(Exit::SUCCESS),
                Left::Over => exit_code(exit).await,
            }
        })
        .await
    }
}

fn keys(cx: &Context, flag: Option<&String>) -> String {
    flag.unwrap_or(&cx.config.detach_keys).clone()
}

/// Attach local standard input, output, and error streams to a running container
#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// Key sequence that detaches from the container
    #[arg(long, value_name = "string")]
    detach_keys: Option<String>,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to the container
    #[arg(long, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = go_bool)]
    sig_proxy: bool,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Attach {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let name = &self.args[0];
        let container: Value = cx
            .client()
            .get(format!("/containers/{name}/json"))
            .fetch()
            .await?;
        let state = |key: &str| container["State"][key] == true;
        if !state("Running") {
            bail!("You cannot attach to a stopped container, start it first");
        }
        if state("Paused") {
            bail!("You cannot attach to a paused container, unpause it first");
        }
        if state("Restarting") {
            bail!("You cannot attach to a restarting container, wait until it is running");
        }
        let config = &container["Config"];
        let attachment = Attachment {
            stdin: !self.no_stdin && config["OpenStdin"] == true,
            stdout: true,
            stderr: true,
            tty: config["Tty"] == true,
            detach_keys: keys(cx, self.detach_keys.as_ref()),
            redraw: true,
        };
        require_terminal(attachment.stdin, attachment.tty)?;
        let id = container["Id"].as_str().unwrap_or(name).to_owned();
        let caught = (self.sig_proxy && !attachment.tty).then(catch);
        let exit = ask_exit(cx.client(), &id, "not-running").await?;
        with_signals(cx, &id, caught, async {
            let hijacked = attachment.open(cx.client(), &id).await?;
            let object = format!("/containers/{id}");
            match attachment.pump(cx, hijacked, Some(&object)).await? {
                Left::Detached => Err(Failure::new(1, "read escape sequence").into()),
                Left::Over => exit_code(exit).await,
            }
        })
        .await
    }
}
