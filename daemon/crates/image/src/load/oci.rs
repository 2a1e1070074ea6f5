//! The OCI image layout (image-spec, "OCI Image Layout Specification"): `index.json` names
//! manifests, or indexes of them by platform, and everything is a blob named by its digest.

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

/// The images of an OCI layout that are for this machine.
pub(super) fn images<S>(archive: &Archive<S>) -> Result<Vec<Found>, ImageError> {
    let index: Document = archive.json("index.json")?;
    let mut found: Vec<Found> = Vec::new();
    for descriptor in index.manifests.unwrap_or_default() {
        let names = names(&descriptor)?;
        let Some(image) = resolve(archive, &descriptor, DEPTH_MAX)? else {
            continue;
        };
        // One image under several names comes once for each.
        match found
            .iter_mut()
            .find(|known| known.config.id() == image.config.id())
        {
            Some(known) => known.names.extend(names),
            None => found.push(Found { names, ..image }),
        }
    }
    if found.is_empty() {
        return Err(ImageError::NoPlatform(
            Platform::of_this_machine().to_string(),
        ));
    }
    Ok(found)
}

/// The image behind a descriptor; none if it has none for this machine.
fn resolve<S>(
    archive: &Archive<S>,
    descriptor: &Descriptor,
    depth: usize,
) -> Result<Option<Found>, ImageError> {
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
        (Some(manifests), _) => match choose(&manifests) {
            Some(chosen) => resolve(archive, chosen, depth - 1),
            None => Ok(None),
        },
        (None, Some(config)) => {
            let (_, raw) = blob(archive, &config)?;
            let layers = document.layers.unwrap_or_default();
            let paths = layers
                .iter()
                .map(|layer| checked(layer).map(|digest| path_of(&digest)));
            Ok(Some(Found {
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
            }))
        }
        (None, None) => Err(ImageError::Archive(format!(
            "{digest} is neither an index nor a manifest"
        ))),
    }
}

/// The manifest for this machine: the best match of those that say a platform, or the only one.
fn choose(manifests: &[Descriptor]) -> Option<&Descriptor> {
    let ours = Platform::of_this_machine();
    let fitting = manifests.iter().filter_map(|one| {
        let platform = one.platform.as_ref()?;
        ours.fit(platform).map(|fit| (fit, one))
    });
    // The first of the best: an index lists its preferences in order.
    let best = fitting.reduce(|best, next| if next.0 > best.0 { next } else { best });
    match (best, manifests) {
        (Some((_, best)), _) => Some(best),
        (None, [only]) if only.platform.is_none() => Some(only),
        (None, _) => None,
    }
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
