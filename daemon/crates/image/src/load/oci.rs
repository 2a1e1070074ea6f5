//! The OCI image layout (image-spec, "OCI Image Layout Specification"): `index.json` names
//! manifests, or indexes of them by platform, and everything is a blob named by its digest.

use std::sync::Arc;

use gantry_ids::{Digest, ImageRef, Platform};
use serde::Deserialize;

use super::{Archive, Found};
use crate::store::ManifestRecord;
use crate::{ImageConfig, ImageError};

/// How deep indexes may lie in indexes.
const DEPTH_MAX: usize = 4;
/// containerd's annotation with the whole name.
const FULL_NAME: &str = "io.containerd.image.name";
/// The image-spec's annotation: a name or only a tag, as the writer pleased.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An index, or a manifest: which of them is told by what it has.
#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

/// Whether an archive has a layout with an index of several platforms.
pub(super) fn has_indexes<S>(archive: &Archive<S>) -> bool {
    let index: Result<Document, _> = archive.json("index.json");
    let all = index
        .ok()
        .and_then(|index| index.manifests)
        .unwrap_or_default();
    all.iter()
        .any(|one| document(archive, one).is_some_and(|found| found.manifests.is_some()))
}

impl Descriptor {
    /// The image that this one attests to.
    fn attests(&self) -> Option<&str> {
        let all = self.annotations.as_ref()?;
        let kind = all.get("vnd.docker.reference.type")?;
        let of = all.get("vnd.docker.reference.digest")?;
        (kind == "attestation-manifest").then_some(of)
    }
}

/// The images of an OCI layout: of each index those that are in it.
pub(super) fn images<S>(archive: &Archive<S>) -> Result<Vec<Found>, ImageError> {
    let index: Document = archive.json("index.json")?;
    let mut found: Vec<Found> = Vec::new();
    for descriptor in index.manifests.unwrap_or_default() {
        let names = names(&descriptor)?;
        for image in resolve(archive, &descriptor, DEPTH_MAX)? {
            // One image under several names comes once for each.
            let same = |known: &&mut Found| {
                known.config.id() == image.config.id() && known.index == image.index
            };
            match found.iter_mut().find(same) {
                Some(known) => known.names.extend(names.clone()),
                None => found.push(Found {
                    names: names.clone(),
                    ..image
                }),
            }
        }
    }
    if found.is_empty() {
        return Err(ImageError::NoPlatform(
            Platform::of_this_machine().to_string(),
        ));
    }
    Ok(found)
}

/// The images behind a descriptor.
fn resolve<S>(
    archive: &Archive<S>,
    descriptor: &Descriptor,
    depth: usize,
) -> Result<Vec<Found>, ImageError> {
    let (digest, bytes) = blob(archive, descriptor)?;
    let document: Document =
        serde_json::from_slice(bytes).map_err(|source| ImageError::ArchiveJson {
            path: path_of(&digest),
            source,
        })?;
    match (document.manifests, document.config) {
        (Some(_), _) if depth == 0 => Err(ImageError::Archive(
            "indexes lie too deep in each other".to_owned(),
        )),
        (Some(manifests), _) => {
            let index: Arc<[u8]> = bytes.into();
            let mut found = Vec::new();
            for chosen in choose(archive, &manifests) {
                let attached = attached(archive, &manifests, &chosen.digest);
                let images = resolve(archive, chosen, depth - 1)?.into_iter();
                found.extend(images.map(|image| Found {
                    index: Some(Arc::clone(&index)),
                    attached: attached.clone(),
                    ..image
                }));
            }
            Ok(found)
        }
        (None, Some(config)) => {
            let (_, raw) = blob(archive, &config)?;
            let layers = document.layers.unwrap_or_default();
            let paths = layers
                .iter()
                .map(|layer| checked(layer).map(|digest| path_of(&digest)));
            Ok(vec![Found {
                config: ImageConfig::parse(raw)?,
                layers: paths.collect::<Result<_, _>>()?,
                names: Vec::new(),
                manifest: Some((
                    ManifestRecord {
                        digest,
                        size_bytes: descriptor.size,
                    },
                    bytes.into(),
                )),
                index: None,
                attached: Vec::new(),
            }])
        }
        (None, None) => Err(ImageError::Archive(format!(
            "{digest} is neither an index nor a manifest"
        ))),
    }
}

/// The manifests of an index that are images and whole in the archive, this machine's first; the
/// only one, if it says no platform.
fn choose<'a, S>(archive: &Archive<S>, manifests: &'a [Descriptor]) -> Vec<&'a Descriptor> {
    if let [only] = manifests
        && only.platform.is_none()
    {
        return vec![only];
    }
    let ours = Platform::of_this_machine();
    let mut found: Vec<_> = manifests
        .iter()
        .filter_map(|one| Some((ours.fit(one.platform.as_ref()?), one)))
        .filter(|(fit, one)| fit.is_some() || is_whole(archive, one))
        .collect();
    // The first of the best: an index lists its preferences in order.
    found.sort_by_key(|(fit, _)| std::cmp::Reverse(*fit));
    let best = found.first().and_then(|(fit, _)| *fit);
    // Of several for this machine the others are only worse.
    found
        .into_iter()
        .enumerate()
        .filter(|(place, (fit, _))| *place == 0 || fit.is_none() || best.is_none())
        .map(|(_, (_, one))| one)
        .collect()
}

/// The documents of what attests to an image, if all of it is there and small.
fn attached<S>(archive: &Archive<S>, manifests: &[Descriptor], image: &str) -> Vec<Box<[u8]>> {
    let mut found = Vec::new();
    for one in manifests.iter().filter(|one| one.attests() == Some(image)) {
        let Some(document) = document(archive, one) else {
            continue;
        };
        let parts = document.config.into_iter();
        let parts = parts.chain(document.layers.unwrap_or_default());
        let bytes = |part: &Descriptor| blob(archive, part).ok().map(|(_, bytes)| bytes.into());
        let parts: Option<Vec<Box<[u8]>>> = parts.map(|part| bytes(&part)).collect();
        if let (Some(parts), Some(own)) = (parts, bytes(one)) {
            found.push(own);
            found.extend(parts);
        }
    }
    found
}

fn document<S>(archive: &Archive<S>, descriptor: &Descriptor) -> Option<Document> {
    let (_, bytes) = blob(archive, descriptor).ok()?;
    serde_json::from_slice(bytes).ok()
}

/// Whether an image of another platform is there with all it needs; writers leave such out.
fn is_whole<S>(archive: &Archive<S>, manifest: &Descriptor) -> bool {
    let is_image = manifest
        .platform
        .as_ref()
        .is_some_and(|one| one.os == "linux");
    let Some(document) = document(archive, manifest).filter(|_| is_image) else {
        return false;
    };
    let config = document.config.into_iter();
    let mut parts = config.chain(document.layers.unwrap_or_default());
    parts.all(|part| checked(&part).is_ok_and(|digest| archive.has(&path_of(&digest))))
}

/// A blob in memory. Its digest was compared when it was read; its size is compared here.
fn blob<'a, S>(
    archive: &'a Archive<S>,
    descriptor: &Descriptor,
) -> Result<(Digest, &'a [u8]), ImageError> {
    let digest = checked(descriptor)?;
    let bytes = archive.small(&path_of(&digest))?;
    if bytes.len() as u64 != descriptor.size {
        return Err(ImageError::Archive(format!(
            "blob {digest} has {} bytes, its descriptor says {}",
            bytes.len(),
            descriptor.size
        )));
    }
    Ok((digest, bytes))
}

fn checked(descriptor: &Descriptor) -> Result<Digest, ImageError> {
    let digest = descriptor.digest.parse::<Digest>();
    digest.map_err(|error| ImageError::Archive(format!("{:?}: {error}", descriptor.digest)))
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The name that annotations give. A bare tag names nothing.
fn names(descriptor: &Descriptor) -> Result<Vec<ImageRef>, ImageError> {
    let Some(annotations) = &descriptor.annotations else {
        return Ok(Vec::new());
    };
    let full = annotations.get(FULL_NAME);
    let name = full.or_else(|| {
        annotations
            .get(REF_NAME)
            .filter(|name| name.contains([':', '/']))
    });
    let Some(name) = name else {
        return Ok(Vec::new());
    };
    let reference: ImageRef = name.parse()?;
    if reference.digest().is_some() {
        return Ok(Vec::new());
    }
    Ok(vec![reference.with_default_tag()])
}
