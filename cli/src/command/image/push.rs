//! `gantry push`.

use anyhow::{Result, bail};
use gantry_ids::ImageRef;

use crate::context::Context;
use crate::credentials::header_for;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::platform_json;
use crate::progress::{To, show};

/// Upload an image to a registry
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Compress all layers by gzip, zstd or zstd:LEVEL
    #[arg(long, value_name = "string")]
    compression: Option<String>,
    /// Skip image signing (it is not done)
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    /// Push only this platform's manifest (linux/amd64)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    /// Only print the image's name
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "NAME")]
    args: Vec<String>,
}

impl Execute for Push {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let platform = self.platform.as_deref().map(platform_json).transpose()?;
        let given = self.args[0].parse::<ImageRef>()?;
        if given.digest().is_some() {
            bail!("cannot push a digest reference");
        }
        let name = match (self.all_tags, given.tag()) {
            (true, Some(_)) => bail!("tag can't be used with --all-tags/-a"),
            (true, None) => given,
            (false, None) => {
                if !self.quiet {
                    cx.printer.line("Using default tag: latest")?;
                }
                given.with_default_tag()
            }
            (false, Some(_)) => given,
        };
        cx.printer.flush()?;
        let reply = cx
            .client()
            .post(format!("/images/{}/push", name.familiar_name()))
            .maybe("tag", name.tag())
            .maybe("platform", platform)
            .maybe("compression", self.compression)
            .header("x-registry-auth", header_for(&cx.config, &name)?)
            .send()
            .await?;
        let to = if self.quiet { To::Nowhere } else { To::Stdout };
        show(reply, to).await?;
        if self.quiet {
            cx.printer.line(name.familiar())?;
        }
        Ok(Exit::SUCCESS)
    }
}
