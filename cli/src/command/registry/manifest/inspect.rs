//! `gantry manifest inspect`: a list that is kept here, or what a registry has behind a name.

use anyhow::{Context as _, Result, bail};
use gantry_ids::ImageRef;
use serde_json::{Map, Value, json};

use super::push::written;
use super::store::{Manifest, Store};
use super::{named, pretty};
use crate::context::Context;
use crate::credentials::header_for;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Display an image manifest, or manifest list
#[derive(Debug, clap::Args)]
pub(crate) struct InspectManifest {
    /// Accepted; which registries may be insecure is the engine's business
    #[arg(long, hide = true)]
    insecure: bool,
    /// Output additional info including layers and platform
    #[arg(short, long)]
    verbose: bool,
    #[arg(value_name = "MANIFEST")]
    args: Vec<String>,
}

impl Execute for InspectManifest {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let store = Store::of(cx.config.dir());
        if let [list, name, ..] = self.args.as_slice() {
            let (list, name) = (named(list)?, named(name)?);
            let Some(manifest) = store.get(&list, &name)? else {
                bail!("No such manifest: {name}");
            };
            return self.print_one(cx, &manifest);
        }
        let name = named(&self.args[0])?;
        if let Some(manifests) = store.list(&name)?.filter(|found| !found.is_empty()) {
            return self.print_list(cx, &manifests);
        }
        let documents: Vec<Value> = cx
            .client()
            .get(format!("/distribution/{}/manifests", name.familiar()))
            .header("x-registry-auth", header_for(&cx.config, &name)?)
            .fetch()
            .await?;
        let (first, rest) = documents.split_first().context("no manifest came")?;
        let text = match (self.verbose, rest) {
            (false, _) => pretty(&document(first)?, b"   ")?,
            (true, []) => pretty(&detailed(&name, first)?, b"\t")?,
            (true, rest) => {
                let all = rest.iter().map(|one| detailed(&name, one));
                pretty(&Value::Array(all.collect::<Result<_>>()?), b"\t")?
            }
        };
        cx.printer.line(text)?;
        Ok(Exit::SUCCESS)
    }
}

impl InspectManifest {
    /// A manifest of a list that is kept here.
    fn print_one(&self, cx: &Context, manifest: &Manifest) -> Result<Exit> {
        let shown = match self.verbose {
            true => serde_json::to_value(manifest)?,
            false => serde_json::from_slice(&manifest.bytes()?)?,
        };
        cx.printer.line(pretty(&shown, b"\t")?)?;
        Ok(Exit::SUCCESS)
    }

    /// A list that is kept here.
    fn print_list(&self, cx: &Context, manifests: &[Manifest]) -> Result<Exit> {
        let text = match self.verbose {
            true => pretty(&serde_json::to_value(manifests)?, b"\t")?,
            false => written(manifests)?.1,
        };
        cx.printer.line(text)?;
        Ok(Exit::SUCCESS)
    }
}

/// The document itself.
fn document(one: &Value) -> Result<Value> {
    let raw = one["Raw"].as_str().unwrap_or_default();
    serde_json::from_str(raw).context("the registry's manifest is no JSON")
}

/// The document with its name and descriptor, as docker nests them.
fn detailed(name: &ImageRef, one: &Value) -> Result<Value> {
    let document = document(one)?;
    let media_type = one["Descriptor"]["mediaType"].as_str().unwrap_or_default();
    let key = match media_type.contains(".oci.") {
        true => "OCIManifest",
        false => "SchemaV2Manifest",
    };
    let reference = match one["Descriptor"]["platform"].is_object() {
        true => {
            let digest = one["Descriptor"]["digest"].as_str().unwrap_or_default();
            format!("{name}@{digest}")
        }
        false => name.to_string(),
    };
    let mut shown = Map::new();
    shown.insert("Ref".to_owned(), json!(reference));
    shown.insert("Descriptor".to_owned(), one["Descriptor"].clone());
    shown.insert(key.to_owned(), document);
    Ok(shown.into())
}
