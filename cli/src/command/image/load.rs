//! `gantry load`, `import`, `save` and `pull`: images on their way in and out.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use anyhow::{Context as _, Result, bail};

use crate::client::upload;
use crate::command::output::write_archive;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{platform_json, reference};
use crate::progress::{self, To, show};

/// Load an image from a tar archive or STDIN
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// Read from a file instead of STDIN
    #[arg(short, long, value_name = "string")]
    input: Option<String>,
    /// Load only this platform's variant (linux/amd64)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    /// Only print what was loaded
    #[arg(short, long)]
    quiet: bool,
}

impl Execute for Load {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let platform = self.platform.as_deref().map(platform_json).transpose()?;
        let source: Box<dyn Read + Send> =
            match self.input.as_deref().filter(|path| !path.is_empty()) {
                Some(path) => Box::new(File::open(path).with_context(|| format!("open {path}"))?),
                None if io::stdin().is_terminal() => {
                    bail!("requested load from stdin, but stdin is empty")
                }
                None => Box::new(io::stdin()),
            };
        // Nobody watches progress that is no terminal's.
        let quiet = self.quiet || !cx.printer.stdout_is_terminal();
        let reply = cx
            .client()
            .post("/images/load")
            .query("quiet", if quiet { "1" } else { "0" })
            .maybe("platform", platform)
            .stream(upload(|out| copy(source, out)), "application/x-tar")
            .send()
            .await?;
        show(reply, To::Stdout).await?;
        Ok(Exit::SUCCESS)
    }
}

fn copy(mut source: Box<dyn Read + Send>, out: &mut dyn io::Write) -> io::Result<()> {
    io::copy(&mut source, out).map(drop)
}

/// Import the contents from a tarball to create a filesystem image
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Dockerfile instruction to apply to the image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Commit message
    #[arg(short, long, value_name = "string")]
    message: Option<String>,
    /// Platform of the image (linux/amd64)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    #[arg(value_name = "file|URL|-")]
    args: Vec<String>,
}

impl Execute for Import {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let source = self.args[0].as_str();
        if let Some(name) = self.args.get(1) {
            reference::parse(name)?;
        }
        let is_url = source.starts_with("http://") || source.starts_with("https://");
        let mut call = cx
            .client()
            .post("/images/create")
            .query("fromSrc", if is_url { source } else { "-" })
            .maybe("repo", self.args.get(1))
            .maybe("message", self.message)
            .maybe("platform", self.platform);
        for change in self.change {
            call = call.query("changes", change);
        }
        if !is_url {
            let input: Box<dyn Read + Send> = if source == "-" {
                Box::new(io::stdin())
            } else {
                Box::new(File::open(source).with_context(|| format!("open {source}"))?)
            };
            call = call.stream(upload(|out| copy(input, out)), "application/x-tar");
        }
        show(call.send().await?, To::Stdout).await?;
        Ok(Exit::SUCCESS)
    }
}

/// Save one or more images to a tar archive (streamed to STDOUT by default)
#[derive(Debug, clap::Args)]
pub(crate) struct Save {
    /// Compress layers by gzip, zstd or zstd:LEVEL
    #[arg(long, value_name = "string")]
    compression: Option<String>,
    /// Write to a file instead of STDOUT
    #[arg(short, long, value_name = "string")]
    output: Option<String>,
    /// Save only this platform's variant (linux/amd64)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    #[arg(value_name = "IMAGE")]
    args: Vec<String>,
}

impl Execute for Save {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let platform = self.platform.as_deref().map(platform_json).transpose()?;
        let mut call = cx
            .client()
            .get("/images/get")
            .maybe("platform", platform)
            .maybe("compression", self.compression);
        for name in &self.args {
            call = call.query("names", name.as_str());
        }
        write_archive(cx, call, self.output.as_deref()).await
    }
}

/// Download an image from a registry
#[derive(Debug, clap::Args)]
pub(crate) struct Pull {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Skip image verification (it is not done)
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    /// Platform of the image (linux/amd64)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    /// Only print the image's name
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "NAME")]
    args: Vec<String>,
}

impl Execute for Pull {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let given = self.args[0].parse::<gantry_ids::ImageRef>()?;
        let is_bare = given.tag().is_none() && given.digest().is_none();
        if self.all_tags && !is_bare {
            bail!("tag can't be used with --all-tags/-a");
        }
        if !self.all_tags && is_bare && !self.quiet {
            cx.printer.line("Using default tag: latest")?;
        }
        let name = match self.all_tags {
            true => given,
            false => given.with_default_tag(),
        };
        cx.printer.flush()?;
        progress::pull(cx, &name, self.platform.as_deref(), self.quiet, To::Stdout).await?;
        let whole = name.familiar();
        let with_domain = format!(
            "{}{}",
            name.name(),
            whole
                .strip_prefix(&name.familiar_name())
                .unwrap_or_default()
        );
        cx.printer.line(with_domain)?;
        Ok(Exit::SUCCESS)
    }
}
