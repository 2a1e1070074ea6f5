//! Records that nobody needs any more: blobs of layers that are gone, manifests of images that are.

use std::collections::HashSet;

use gantry_ids::Digest;
use gantry_layer::LayerStore;
use serde::Deserialize;

use super::{Change, ImageStore};
use crate::ImageError;

impl<L: LayerStore> ImageStore<L> {
    /// Forgets what was known of images that were removed. To be called with the write lock held. A
    /// crash before this is on the disk leaves records that the next removal takes along.
    pub(crate) fn tidy(&self) -> Result<(), ImageError> {
        let layers = self.layers.list();
        let live = layers.iter().map(|layer| layer.diff_id).collect();
        let chains = layers.iter().map(|layer| layer.chain).collect();
        let uses = self.index().uses_without(&chains);
        let blobs = self.index().blobs_without(&live);
        let used = self.index().manifests_in_use();
        let listed = self.listed_by(&used)?;
        let manifests = self.metadata.manifests()?;
        let manifests = manifests
            .into_iter()
            .filter(|known| !used.contains(known) && !listed.contains(known));
        let changes: Vec<_> = manifests
            .map(|digest| Change::DeleteManifest { digest })
            .chain(
                blobs
                    .into_iter()
                    .map(|digest| Change::DeleteBlob { digest }),
            )
            .chain(uses.into_iter().map(|chain| Change::DeleteUse { chain }))
            .collect();
        if changes.is_empty() {
            return Ok(());
        }
        self.change_later(changes)
    }

    /// What those documents name, and what the named ones do: manifests of other platforms,
    /// attestations and their blobs.
    fn listed_by(&self, used: &HashSet<Digest>) -> Result<HashSet<Digest>, ImageError> {
        let mut listed = HashSet::new();
        let mut next: Vec<Digest> = used.iter().copied().collect();
        while let Some(digest) = next.pop() {
            let Some(bytes) = self.metadata.manifest(&digest)? else {
                continue;
            };
            for named in names(&bytes) {
                if listed.insert(named) {
                    next.push(named);
                }
            }
        }
        Ok(listed)
    }
}

/// The digests that an index or a manifest names.
fn names(document: &[u8]) -> Vec<Digest> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        manifests: Vec<Named>,
        #[serde(default)]
        config: Option<Named>,
        #[serde(default)]
        layers: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        digest: Digest,
    }
    let Ok(document) = serde_json::from_slice::<Document>(document) else {
        return Vec::new();
    };
    let all = document.manifests.into_iter().chain(document.layers);
    all.chain(document.config)
        .map(|named| named.digest)
        .collect()
}
