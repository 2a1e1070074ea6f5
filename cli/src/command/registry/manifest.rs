//! `gantry manifest inspect`: what a registry has behind a name, without pulling it.

use anyhow::{Context as _, Result, bail};
use gantry_ids::ImageRef;
use serde_json::{Map, Value, json};

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
        if self.args.len() > 1 {
            bail!(
                "no such manifest: {} (lists are not kept here)",
                self.args[0]
            );
        }
        let name: ImageRef = self.args[0].parse()?;
        let name = name.with_default_tag();
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

fn pretty(value: &Value, indent: &[u8]) -> Result<String> {
    use serde::Serialize;
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(indent);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, format);
    value.serialize(&mut serializer)?;
    Ok(String::from_utf8(bytes)?)
}
