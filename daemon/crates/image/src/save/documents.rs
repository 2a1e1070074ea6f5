//! The archive's small documents: docker's `manifest.json` and `repositories`, the OCI layout's
//! index and manifests.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry_ids::{Digest, Platform};
use gantry_layer::{ChainId, DiffId, Layer, LayerError, Packing};
use serde::Serialize;

use super::SavedImage;
use super::attached::{Attached, Entry};
use super::packed::{PackedLayer, PackedLayers};
use crate::{Image, ImageError};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A layer of an image.
#[derive(Debug)]
pub(super) struct PlannedLayer {
    pub(super) diff_id: DiffId,
    pub(super) chain: ChainId,
    /// The blob that it is in the archive.
    pub(super) blob: PackedLayer,
    packing: Packing,
}

/// How layers are written.
pub(super) struct Written<'a> {
    pub(super) packing: Packing,
    pub(super) packed: &'a PackedLayers,
    pub(super) find: &'a dyn Fn(&ChainId) -> Option<Arc<Layer>>,
}

/// What is written for one image, of all its platforms.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    saved: &'a SavedImage,
    /// The image itself first.
    pub(super) parts: Vec<Part<'a>>,
    /// The index of several, or of one that something attests to.
    pub(super) index: Option<Vec<u8>>,
}

/// What is written for one platform.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) image: &'a Image,
    pub(super) layers: Vec<PlannedLayer>,
    pub(super) manifest: Vec<u8>,
    pub(super) manifest_digest: Digest,
    /// What attests to it.
    pub(super) attached: Vec<Attached>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<&'static str, String>>,
}

impl Descriptor {
    const fn new(media_type: &'static str, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            platform: None,
            annotations: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Listed>,
}

/// An entry of an index: of our making, or as it came.
#[derive(Serialize)]
#[serde(untagged)]
enum Listed {
    Made(Descriptor),
    Came(Entry),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerItem {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    layer_sources: BTreeMap<String, Descriptor>,
}

impl<'a> Part<'a> {
    fn new(
        image: &'a Image,
        attached: Vec<Attached>,
        written: &Written<'_>,
    ) -> Result<Self, ImageError> {
        let mut layers = Vec::new();
        let mut below = None;
        for diff_id in &image.config.file().rootfs.diff_ids {
            let chain = ChainId::on_top(below.as_ref(), diff_id);
            let layer = (written.find)(&chain).ok_or(LayerError::NoSuchLayer(chain))?;
            let plain = PackedLayer {
                digest: *diff_id.digest(),
                size_bytes: layer.tar_bytes,
            };
            layers.push(PlannedLayer {
                diff_id: *diff_id,
                chain,
                blob: written.packed.get(&chain).copied().unwrap_or(plain),
                packing: written.packing,
            });
            below = Some(chain);
        }
        let config = image.config.raw();
        let manifest = json(&Manifest {
            schema_version: 2,
            media_type: MANIFEST,
            config: Descriptor::new(CONFIG, *image.id.digest(), config.len() as u64),
            layers: layers.iter().map(PlannedLayer::descriptor).collect(),
        });
        Ok(Self {
            image,
            layers,
            manifest_digest: Digest::of(&manifest),
            manifest,
            attached,
        })
    }

    fn descriptor(&self) -> Descriptor {
        Descriptor::new(MANIFEST, self.manifest_digest, self.manifest.len() as u64)
    }
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        saved: &'a SavedImage,
        attached: Vec<Vec<Attached>>,
        written: &Written<'_>,
    ) -> Result<Self, ImageError> {
        let parts = saved.platforms().zip(attached);
        let parts = parts.map(|(image, attached)| Part::new(image, attached, written));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let has_attached = parts.iter().any(|part| !part.attached.is_empty());
        let index = (parts.len() > 1 || has_attached).then(|| index_of(&parts));
        Ok(Self {
            saved,
            parts,
            index,
        })
    }

    /// The image that readers which know one platform only get.
    fn first(&self) -> &Part<'a> {
        self.parts.first().expect("an image has itself")
    }

    /// One descriptor for each name, or one without.
    fn descriptors(&self) -> Vec<Descriptor> {
        let bare = match &self.index {
            Some(index) => Descriptor::new(INDEX, Digest::of(index), index.len() as u64),
            None => self.first().descriptor(),
        };
        if self.saved.names.is_empty() {
            return vec![bare];
        }
        let named = self.saved.names.iter().map(|name| Descriptor {
            annotations: Some(BTreeMap::from([
                ("io.containerd.image.name", name.to_string()),
                (
                    "org.opencontainers.image.ref.name",
                    name.tag().unwrap_or_default().to_owned(),
                ),
            ])),
            ..bare.clone()
        });
        named.collect()
    }

    fn docker_item(&self) -> DockerItem {
        let names = self.saved.names.iter().map(gantry_ids::ImageRef::familiar);
        let layers = &self.first().layers;
        let sources = layers.iter().map(|layer| {
            let digest = layer.diff_id.digest().to_string();
            (digest, layer.descriptor())
        });
        DockerItem {
            config: path_of(self.saved.image.id.digest()),
            repo_tags: (!self.saved.names.is_empty()).then(|| names.collect()),
            layers: layers
                .iter()
                .map(|layer| path_of(&layer.blob.digest))
                .collect(),
            layer_sources: sources.collect(),
        }
    }
}

impl PlannedLayer {
    fn descriptor(&self) -> Descriptor {
        let PackedLayer { digest, size_bytes } = self.blob;
        Descriptor::new(self.packing.media_type(), digest, size_bytes)
    }
}

/// The index of an image's platforms, with what attests to them.
fn index_of(parts: &[Part<'_>]) -> Vec<u8> {
    let images = parts.iter().map(|part| {
        Listed::Made(Descriptor {
            platform: Some(part.image.platform()),
            ..part.descriptor()
        })
    });
    let attached = parts.iter().flat_map(|part| {
        let all = part.attached.iter();
        all.map(|one| Listed::Came(one.entry.of(&part.manifest_digest)))
    });
    json(&Index {
        schema_version: 2,
        media_type: INDEX,
        manifests: images.chain(attached).collect(),
    })
}

/// The documents beside the blobs, in the archive's order.
pub(super) fn of_all(plans: &[Plan<'_>]) -> Vec<(&'static str, Vec<u8>)> {
    let index = Index {
        schema_version: 2,
        media_type: INDEX,
        manifests: plans
            .iter()
            .flat_map(Plan::descriptors)
            .map(Listed::Made)
            .collect(),
    };
    let items: Vec<_> = plans.iter().map(Plan::docker_item).collect();
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for plan in plans {
        let top = plan
            .first()
            .layers
            .last()
            .map(|layer| layer.blob.digest.hex());
        for name in &plan.saved.names {
            let tags = repositories.entry(name.familiar_name()).or_default();
            let tag = name.tag().unwrap_or_default().to_owned();
            tags.insert(tag, top.clone().unwrap_or_default());
        }
    }
    let mut all = vec![
        ("index.json", json(&index)),
        ("manifest.json", json(&items)),
        ("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec()),
    ];
    if !repositories.is_empty() {
        all.push(("repositories", json(&repositories)));
    }
    all
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("string keys only")
}
