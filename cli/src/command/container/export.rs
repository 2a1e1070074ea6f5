//! `gantry export` and `commit`.

use anyhow::Result;
use gantry_engine_api::exec::IdResponse;

use crate::command::output::write_archive;
use crate::context::Context;
use crate::dispatch::{Execute, go_bool};
use crate::exit::Exit;
use crate::flags::reference;

/// Export a container's filesystem as a tar archive
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "string")]
    output: Option<String>,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Export {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let call = cx
            .client()
            .get(format!("/containers/{}/export", self.args[0]));
        write_archive(cx, call, self.output.as_deref()).await
    }
}

/// Create a new image from a container's changes
#[derive(Debug, clap::Args)]
pub(crate) struct Commit {
    /// Author
    #[arg(short, long, value_name = "string")]
    author: Option<String>,
    /// Dockerfile instruction to apply to the image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Commit message
    #[arg(short, long, value_name = "string")]
    message: Option<String>,
    /// Pause the container meanwhile
    #[arg(short, long, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = go_bool)]
    pause: bool,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Commit {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let (repo, tag) = match self.args.get(1) {
            Some(name) => reference::split_familiar(name)?,
            None => (String::new(), String::new()),
        };
        let mut call = cx
            .client()
            .post("/commit")
            .query("container", self.args[0].as_str())
            .query("repo", repo)
            .query("tag", tag)
            .query("author", self.author.unwrap_or_default())
            .query("comment", self.message.unwrap_or_default());
        if !self.pause {
            call = call.query("pause", "0");
        }
        for change in self.change {
            call = call.query("changes", change);
        }
        let made: IdResponse = call.fetch().await?;
        cx.printer.line(made.id)?;
        Ok(Exit::SUCCESS)
    }
}
