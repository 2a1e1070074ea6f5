//! What attests to the images that are saved, as the index says that they came with.

use std::collections::BTreeMap;

use gantry_ids::{Digest, Platform};
use gantry_layer::LayerStore;
use serde::{Deserialize, Serialize};

use super::SavedImage;
use crate::ImageError;
use crate::store::ImageStore;

/// The annotation that names the manifest which is attested to.
const OF: &str = "vnd.docker.reference.digest";
const KIND: &str = "vnd.docker.reference.type";
/// What an index says instead of a platform.
const UNKNOWN: &str = "unknown";

/// A manifest that attests to an image.
#[derive(Debug, Clone)]
pub(super) struct Attached {
    /// Its entry in the index, without what it attests to.
    pub(super) entry: Entry,
    /// It, and the blobs it names.
    pub(super) documents: Vec<(Digest, Vec<u8>)>,
}

/// An entry of an index.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Option<Blob>,
    #[serde(default)]
    layers: Vec<Blob>,
}

#[derive(Deserialize)]
struct Blob {
    digest: Digest,
}

impl Entry {
    fn attests_to(&self, manifest: &Digest) -> bool {
        let kind = self.annotations.get(KIND);
        kind.is_some_and(|kind| kind == "attestation-manifest")
            && self.annotations.get(OF) == Some(&manifest.to_string())
    }

    /// The same of another manifest: an archive's layers are compressed otherwise than they came, and
    /// so their manifest has another digest.
    pub(super) fn of(&self, manifest: &Digest) -> Self {
        let mut entry = self.clone();
        entry
            .annotations
            .insert(OF.to_owned(), manifest.to_string());
        let unknown = || Platform {
            os: UNKNOWN.to_owned(),
            architecture: UNKNOWN.to_owned(),
            variant: String::new(),
        };
        entry.platform.get_or_insert_with(unknown);
        entry
    }
}

impl<L: LayerStore> ImageStore<L> {
    /// What attests to each of an image's platforms, in their order. What is not whole here is left
    /// out.
    pub(super) fn attestations(
        &self,
        saved: &SavedImage,
    ) -> Result<Vec<Vec<Attached>>, ImageError> {
        let known = saved.names.iter().find_map(|name| self.variants(name));
        let index = match &known {
            Some(variants) => self.manifest(&variants.index)?,
            None => None,
        };
        let index = index.and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
        let entries = index.map(|index| index.manifests).unwrap_or_default();
        let mut all = Vec::new();
        for image in saved.platforms() {
            let variants = known.iter().flat_map(|known| &known.images);
            let manifest = variants
                .filter(|variant| variant.image == image.id)
                .map(|variant| variant.manifest)
                .next();
            let mut found = Vec::new();
            for entry in &entries {
                if manifest.is_some_and(|manifest| entry.attests_to(&manifest)) {
                    found.extend(self.attestation(entry)?);
                }
            }
            all.push(found);
        }
        Ok(all)
    }

    fn attestation(&self, entry: &Entry) -> Result<Option<Attached>, ImageError> {
        let Some(own) = self.manifest(&entry.digest)? else {
            return Ok(None);
        };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&own) else {
            return Ok(None);
        };
        let mut documents = vec![(entry.digest, own)];
        for blob in manifest.config.into_iter().chain(manifest.layers) {
            match self.manifest(&blob.digest)? {
                Some(bytes) => documents.push((blob.digest, bytes)),
                None => return Ok(None),
            }
        }
        Ok(Some(Attached {
            entry: entry.clone(),
            documents,
        }))
    }
}
