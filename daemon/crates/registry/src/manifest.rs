//! Manifests and indexes: docker's schema 2 and the image-spec's, read with limits. Pure.
//!
//! What a document is is told by its own media type, then by the answer's, then by what it holds: a document that
//! is both an index and a manifest is refused (CVE-2021-41190).

use std::collections::BTreeMap;

use gantry_ids::{Digest, Platform};
use serde::{Deserialize, Serialize};

use crate::media;

/// The most bytes of a manifest or index, as in dockerd and in the distribution specification.
pub const MANIFEST_MAX_BYTES: usize = 4 << 20;
/// The most bytes of an image's configuration.
pub const CONFIG_MAX_BYTES: u64 = 4 << 20;
/// The most layers of an image (docker's `maxLayerDepth`).
pub const LAYERS_MAX: usize = 125;
/// The most manifests of an index.
const INDEX_MAX: usize = 4096;
/// Longer than any blob: sizes beyond are lies.
const BLOB_MAX_BYTES: u64 = 1 << 40;

/// Why a document is no image this engine can pull.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Longer than 4 MiB.
    #[error("the manifest is longer than {MANIFEST_MAX_BYTES} bytes")]
    TooLong,
    /// Not the JSON it should be.
    #[error("parse the manifest")]
    Json(#[source] serde_json::Error),
    /// Its digest is not the one it was asked by.
    #[error("manifest verification failed for digest {expected}: it has digest {found}")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Docker's first format.
    #[error(
        "Docker Image manifest version 2, schema 1 is not supported: ask the image's author to push it \
         as schema 2 or OCI"
    )]
    Schema1,
    /// A media type nobody here knows.
    #[error("unsupported manifest format {0:?}")]
    MediaType(String),
    /// Something else than an image lies in an image's format.
    #[error("invalid artifact: {0:?} is no container image that can be pulled and run")]
    Artifact(String),
    /// It contradicts itself or asks for too much.
    #[error("invalid manifest: {0}")]
    Invalid(&'static str),
    /// A descriptor has a digest that cannot be verified.
    #[error("invalid manifest: digest {0:?}")]
    BadDigest(String),
    /// The index has nothing for the platform.
    #[error("no matching manifest for {0} in the manifest list entries")]
    NoPlatform(Platform),
}

/// A descriptor (image-spec, "Content Descriptors").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where else it may be fetched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What else is said of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor that says no more than it must.
    #[must_use]
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            urls: Vec::new(),
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The image that this one attests to (buildkit's attestations in an index).
    #[must_use]
    pub fn attests(&self) -> Option<&str> {
        let kind = self.annotations.get("vnd.docker.reference.type")?;
        let of = self.annotations.get("vnd.docker.reference.digest")?;
        (kind == "attestation-manifest").then_some(of)
    }
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// Images by platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its media type.
    pub media_type: String,
    /// The manifests, in the author's order.
    pub manifests: Vec<Descriptor>,
}

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: i64,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<RawDescriptor>,
    #[serde(default)]
    layers: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    manifests: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    fs_layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: Option<String>,
    digest: String,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    urls: Option<Vec<String>>,
    #[serde(default)]
    platform: Option<RawPlatform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    variant: Option<String>,
}

impl Document {
    /// Reads a document that came with this `Content-Type`.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(bytes: &[u8], content_type: &str) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_MAX_BYTES {
            return Err(ManifestError::TooLong);
        }
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        if media::is_schema_1(content_type) {
            return Err(ManifestError::Schema1);
        }
        let raw: Raw = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        if raw.schema_version == 1 || raw.fs_layers.is_some() {
            return Err(ManifestError::Schema1);
        }
        if raw.schema_version != 2 {
            return Err(ManifestError::Invalid("its schema version is not 2"));
        }
        if raw.manifests.is_some() && (raw.config.is_some() || raw.layers.is_some()) {
            return Err(ManifestError::Invalid(
                "it is an index and a manifest at once",
            ));
        }
        let own = raw.media_type.clone().filter(|own| !own.is_empty());
        let media = match own {
            Some(own) => own,
            None if media::ACCEPT.contains(&content_type) => content_type.to_owned(),
            None if raw.manifests.is_some() => media::OCI_INDEX.to_owned(),
            None => media::OCI_MANIFEST.to_owned(),
        };
        match media.as_str() {
            media::DOCKER_MANIFEST | media::OCI_MANIFEST => {
                manifest(raw, media).map(Self::Manifest)
            }
            media::DOCKER_LIST | media::OCI_INDEX => index(raw, media).map(Self::Index),
            other if media::is_schema_1(other) => Err(ManifestError::Schema1),
            _ => Err(ManifestError::MediaType(shown(&media))),
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        match self {
            Self::Manifest(manifest) => &manifest.media_type,
            Self::Index(index) => &index.media_type,
        }
    }
}

fn manifest(raw: Raw, media_type: String) -> Result<Manifest, ManifestError> {
    let config = raw
        .config
        .ok_or(ManifestError::Invalid("it has no configuration"))?;
    let config = descriptor(config)?;
    if !media::is_config(&config.media_type) {
        let what = raw.artifact_type.unwrap_or(config.media_type);
        return Err(ManifestError::Artifact(shown(&what)));
    }
    if config.size > CONFIG_MAX_BYTES {
        return Err(ManifestError::Invalid("its configuration is too long"));
    }
    let layers = raw.layers.unwrap_or_default();
    if layers.len() > LAYERS_MAX {
        return Err(ManifestError::Invalid("it has more than 125 layers"));
    }
    let layers: Vec<_> = layers
        .into_iter()
        .map(descriptor)
        .collect::<Result<_, _>>()?;
    if let Some(odd) = layers
        .iter()
        .find(|layer| !media::is_layer(&layer.media_type))
    {
        return Err(ManifestError::Artifact(shown(&odd.media_type)));
    }
    Ok(Manifest {
        media_type,
        config,
        layers,
    })
}

fn index(raw: Raw, media_type: String) -> Result<Index, ManifestError> {
    let manifests = raw.manifests.unwrap_or_default();
    if manifests.len() > INDEX_MAX {
        return Err(ManifestError::Invalid("it has too many manifests"));
    }
    Ok(Index {
        media_type,
        manifests: manifests
            .into_iter()
            .map(descriptor)
            .collect::<Result<_, _>>()?,
    })
}

fn descriptor(raw: RawDescriptor) -> Result<Descriptor, ManifestError> {
    let size = u64::try_from(raw.size)
        .ok()
        .filter(|size| *size <= BLOB_MAX_BYTES)
        .ok_or(ManifestError::Invalid("a size is out of range"))?;
    let digest = raw.digest.parse();
    Ok(Descriptor {
        media_type: raw.media_type.unwrap_or_default(),
        digest: digest.map_err(|_| ManifestError::BadDigest(shown(&raw.digest)))?,
        size,
        urls: raw.urls.unwrap_or_default(),
        annotations: raw.annotations.unwrap_or_default(),
        platform: raw.platform.map(|platform| Platform {
            os: platform.os.unwrap_or_default(),
            architecture: platform.architecture.unwrap_or_default(),
            variant: platform.variant.unwrap_or_default(),
        }),
    })
}

impl Index {
    /// The manifest for `wanted`: the best fit, the first of several; the only one, if it says no
    /// platform.
    ///
    /// # Errors
    /// [`ManifestError::NoPlatform`].
    pub fn choose(&self, wanted: &Platform) -> Result<&Descriptor, ManifestError> {
        let fitting = self.manifests.iter().filter_map(|one| {
            let fit = wanted.fit(one.platform.as_ref()?)?;
            Some((fit, one))
        });
        let best = fitting.reduce(|best, next| if next.0 > best.0 { next } else { best });
        match (best, self.manifests.as_slice()) {
            (Some((_, best)), _) => Ok(best),
            (None, [only]) if only.platform.is_none() => Ok(only),
            (None, _) => Err(ManifestError::NoPlatform(wanted.clone())),
        }
    }

    /// The platforms it has images for; attestations (`unknown/unknown`) are none.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        let all = self
            .manifests
            .iter()
            .filter_map(|one| one.platform.as_ref());
        all.filter(|platform| platform.os != "unknown")
    }
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
