//! `gantry manifest push`.

use anyhow::{Context as _, Result, bail};
use gantry_ids::{Digest, ImageRef};
use serde::Serialize;
use serde_json::{Value, json};

use super::store::{Descriptor, Manifest, Store};
use super::{named, pretty};
use crate::context::Context;
use crate::credentials::header_for;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Push a manifest list to a repository
#[derive(Debug, clap::Args)]
pub(crate) struct PushManifest {
    /// Accepted; which registries may be insecure is the engine's business
    #[arg(long, hide = true)]
    insecure: bool,
    /// Remove the local manifest list after push
    #[arg(short, long)]
    purge: bool,
    #[arg(value_name = "MANIFEST_LIST")]
    args: Vec<String>,
}

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

impl Execute for PushManifest {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let list = named(&self.args[0])?;
        let store = Store::of(cx.config.dir());
        let Some(manifests) = store.list(&list)?.filter(|found| !found.is_empty()) else {
            bail!("No such manifest: {list}");
        };
        let (media_type, text) = written(&manifests)?;
        let mut parts = Vec::new();
        for manifest in &manifests {
            parts.extend(part(&list, manifest)?);
        }
        let body = json!({"Parts": parts, "MediaType": media_type, "List": text});
        let answer: Value = cx
            .client()
            .post(format!("/distribution/{}/list", list.familiar()))
            .header("x-registry-auth", header_for(&cx.config, &list)?)
            .json(&body)
            .fetch()
            .await?;
        for pushed in answer["Pushed"].as_array().into_iter().flatten() {
            let digest = pushed.as_str().unwrap_or_default();
            let name = list.name();
            cx.printer
                .line(format!("Pushed ref {name}@{digest} with digest: {digest}"))?;
        }
        let digest: Digest = answer["Digest"].as_str().unwrap_or_default().parse()?;
        cx.printer.line(digest)?;
        if self.purge {
            store.remove(&list)?;
        }
        Ok(Exit::SUCCESS)
    }
}

/// The list's document and what it is: an OCI index where all manifests are OCI's.
pub(super) fn written(manifests: &[Manifest]) -> Result<(&'static str, String)> {
    #[derive(Serialize)]
    struct Entry<'a> {
        #[serde(rename = "mediaType")]
        media_type: &'a str,
        size: u64,
        digest: &'a Digest,
        platform: &'a super::store::Platform,
    }
    let media_type = match manifests.iter().any(Manifest::is_docker) {
        true => DOCKER_LIST,
        false => OCI_INDEX,
    };
    let mut entries = Vec::new();
    for manifest in manifests {
        let Descriptor {
            media_type,
            digest,
            size,
            platform,
        } = &manifest.descriptor;
        let platform = platform.as_ref();
        let whole = platform.filter(|known| !known.os.is_empty() && !known.architecture.is_empty());
        let platform = whole.with_context(|| {
            let name = &manifest.name;
            format!("manifest {name} must have an OS and Architecture to be pushed to a registry")
        })?;
        entries.push(serde_json::to_value(Entry {
            media_type,
            size: *size,
            digest,
            platform,
        })?);
    }
    let document = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
    Ok((media_type, pretty(&document, b"   ")?))
}

/// What is to be brought to the list's repository: nothing of what is there.
fn part(list: &ImageRef, manifest: &Manifest) -> Result<Option<Value>> {
    let name: ImageRef = manifest.name.parse()?;
    if name.domain() != list.domain() {
        bail!(
            "cannot use source images from a different registry than the target image: {} != {}",
            name.domain(),
            list.domain()
        );
    }
    let text = String::from_utf8(manifest.bytes()?)?;
    let part = json!({
        "From": name.to_string(),
        "MediaType": manifest.descriptor.media_type,
        "Raw": text,
    });
    Ok((name.path() != list.path()).then_some(part))
}
