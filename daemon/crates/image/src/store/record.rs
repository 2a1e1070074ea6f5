//! The records of the image store, as they are kept: JSON with a version.

use gantry_ids::{Digest, ImageId};
use gantry_layer::{DiffId, Packing};
use serde::{Deserialize, Serialize};

use super::variants::Variants;

/// The version of all records here.
pub(super) const VERSION: u32 = 1;

/// What is known of an image beside its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageRecord {
    v: u32,
    /// The image this one was built on.
    pub(crate) parent: Option<ImageId>,
    /// Nanoseconds since 1970.
    pub(crate) last_tagged_ns: Option<i64>,
    /// The manifest it came with.
    pub(crate) manifest: Option<ManifestRecord>,
}

/// A manifest's descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManifestRecord {
    pub(crate) digest: Digest,
    pub(crate) size_bytes: u64,
}

/// What a compressed layer was, so that a push can name it where a registry has it already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlobRecord {
    v: u32,
    pub(crate) diff_id: DiffId,
    pub(crate) size_bytes: u64,
    /// It is compressed by zstd and not by gzip.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    zstd: bool,
}

/// The repositories that a blob was seen in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourcesRecord {
    pub(super) v: u32,
    /// `domain/path`, the last one first.
    pub(super) repositories: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariantsRecord {
    pub(super) v: u32,
    pub(super) variants: Variants,
}

impl ImageRecord {
    pub(crate) const fn new(manifest: Option<ManifestRecord>) -> Self {
        Self {
            v: VERSION,
            parent: None,
            last_tagged_ns: None,
            manifest,
        }
    }
}

impl BlobRecord {
    pub(crate) const fn new(diff_id: DiffId, size_bytes: u64, packing: Packing) -> Self {
        Self {
            v: VERSION,
            diff_id,
            size_bytes,
            zstd: matches!(packing, Packing::Zstd(_)),
        }
    }

    /// How the blob of this digest is compressed.
    pub(crate) fn packing(&self, digest: &Digest) -> Packing {
        match self.zstd {
            // An uncompressed layer is its own tar.
            _ if digest == self.diff_id.digest() => Packing::None,
            true => Packing::of_media_type("zstd"),
            false => Packing::DEFAULT,
        }
    }
}
