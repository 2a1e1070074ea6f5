//! `gantry volume rename`, `export` and `import`, which docker lacks.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::client::upload;
use crate::command::output::write_archive;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Rename a volume that no container uses
#[derive(Debug, clap::Args)]
pub(crate) struct Rename {
    #[arg(value_name = "VOLUME")]
    args: Vec<String>,
}

impl Execute for Rename {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let call = cx
            .client()
            .post(format!("/volumes/{}/rename", self.args[0]))
            .query("name", self.args[1].as_str());
        let _: Value = call.fetch().await?;
        Ok(Exit::SUCCESS)
    }
}

/// Export a volume's contents as a tar archive
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "string")]
    output: Option<String>,
    #[arg(value_name = "VOLUME")]
    args: Vec<String>,
}

impl Execute for Export {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let call = cx.client().get(format!("/volumes/{}/export", self.args[0]));
        write_archive(cx, call, self.output.as_deref()).await
    }
}

/// Fill an empty or a new volume from a tar archive, plain or compressed, of a file or stdin
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    #[arg(value_name = "VOLUME")]
    args: Vec<String>,
}

impl Execute for Import {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let source: Box<dyn Read + Send> = match self.args.get(1).map(String::as_str) {
            Some(path) if path != "-" => {
                Box::new(File::open(path).with_context(|| format!("open {path}"))?)
            }
            None if io::stdin().is_terminal() => bail!("an archive is wanted: a file, or on stdin"),
            Some(_) | None => Box::new(io::stdin()),
        };
        let call = cx
            .client()
            .post(format!("/volumes/{}/import", self.args[0]))
            .stream(upload(|out| copy(source, out)), "application/x-tar");
        let volume: Value = call.fetch().await?;
        cx.printer
            .line(volume["Name"].as_str().unwrap_or_default())?;
        Ok(Exit::SUCCESS)
    }
}

fn copy(mut source: Box<dyn Read + Send>, out: &mut dyn io::Write) -> io::Result<()> {
    io::copy(&mut source, out).map(drop)
}
