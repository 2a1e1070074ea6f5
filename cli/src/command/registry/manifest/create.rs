//! `gantry manifest create`.

use anyhow::{Context as _, Result, bail};
use gantry_ids::ImageRef;
use serde_json::Value;

use super::named;
use super::store::{Descriptor, Manifest, Platform, Store};
use crate::context::Context;
use crate::credentials::header_for;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Create a local manifest list for annotating and pushing to a registry
#[derive(Debug, clap::Args)]
pub(crate) struct CreateManifest {
    /// Amend an existing manifest list
    #[arg(short, long)]
    amend: bool,
    /// Accepted; which registries may be insecure is the engine's business
    #[arg(long, hide = true)]
    insecure: bool,
    #[arg(value_name = "MANIFEST_LIST")]
    args: Vec<String>,
}

impl Execute for CreateManifest {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let list = named(&self.args[0])
            .with_context(|| format!("error parsing name for manifest list {}", self.args[0]))?;
        let store = Store::of(cx.config.dir());
        if store.list(&list)?.is_some() && !self.amend {
            bail!("refusing to amend an existing manifest list with no --amend flag");
        }
        for text in &self.args[1..] {
            let name = named(text)?;
            let manifest = match store.get(&list, &name)? {
                Some(known) => known,
                None => fetch(cx, &name).await?,
            };
            store.save(&list, &name, &manifest)?;
        }
        cx.printer.line(format!("Created manifest list {list}"))?;
        Ok(Exit::SUCCESS)
    }
}

/// A manifest as its registry has it.
async fn fetch(cx: &Context, name: &ImageRef) -> Result<Manifest> {
    let auth = header_for(&cx.config, name)?;
    let ask = |what: &str| {
        let path = format!("/distribution/{}/{what}", name.familiar());
        cx.client()
            .get(path)
            .header("x-registry-auth", auth.clone())
    };
    let documents: Vec<Value> = match ask("manifests").fetch().await {
        Ok(documents) => documents,
        Err(error) if error.is_not_found() => bail!("no such manifest: {name}"),
        Err(error) => return Err(error.into()),
    };
    let [one] = documents.as_slice() else {
        bail!("{name} is a manifest list");
    };
    let text = one["Raw"].as_str().unwrap_or_default();
    let mut descriptor: Descriptor = serde_json::from_value(one["Descriptor"].clone())?;
    if descriptor.media_type.contains("manifest.list") || descriptor.media_type.contains("index") {
        bail!("{name} is a manifest list");
    }
    let described: Value = ask("json").fetch().await?;
    let platform = described["Platforms"].get(0).cloned();
    let platform: Option<Platform> = platform.map(serde_json::from_value).transpose()?;
    descriptor.platform = platform;
    Manifest::new(name, descriptor, text)
}
