//! All images in memory: what lookups and listings answer from.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use gantry_ids::{Digest, ImageId, ImageQuery, ImageRef, is_hex_prefix};
use gantry_layer::{ChainId, DiffId, LayerStore};

use super::metadata::Contents;
use super::record::{BlobRecord, ImageRecord};
use super::transfer::BlobId;
use super::variants::Variants;
use crate::{Image, ImageConfig, ImageError};

/// Images, names and what compressed layers were.
#[derive(Debug, Default)]
pub(crate) struct Index {
    images: HashMap<ImageId, Known>,
    references: BTreeMap<ImageRef, ImageId>,
    blobs: HashMap<Digest, BlobRecord>,
    sources: HashMap<Digest, Vec<String>>,
    /// The references that stand for an index.
    variants: BTreeMap<ImageRef, Variants>,
    /// When containers last stood on a chain, in nanoseconds since 1970.
    uses: HashMap<ChainId, i64>,
}

#[derive(Debug)]
struct Known {
    record: ImageRecord,
    image: Arc<Image>,
}

impl Index {
    /// Builds the index. An image whose layers are not all there is left out (and said so): loading
    /// it again makes it whole.
    pub(crate) fn build(contents: Contents, layers: &impl LayerStore) -> Self {
        let mut index = Self::default();
        for (id, raw, record) in contents.images {
            match ImageConfig::parse(&raw) {
                Ok(config) => index.put(id, config, record, layers),
                Err(error) => tracing::error!(image = %id, %error, "image left out"),
            }
        }
        for (reference, image) in contents.references {
            index.set_reference(&reference, &image);
        }
        for (reference, variants) in contents.variants {
            index.set_variants(&reference, variants);
        }
        index.blobs = contents.blobs.into_iter().collect();
        index.sources = contents.sources.into_iter().collect();
        index.uses = contents.uses.into_iter().collect();
        index
    }

    /// Adds or replaces an image; its names stay.
    pub(crate) fn put(
        &mut self,
        id: ImageId,
        config: ImageConfig,
        record: ImageRecord,
        layers: &impl LayerStore,
    ) {
        let chain = config.chain();
        let (Some(size_bytes), Ok(layer_dirs)) =
            (size_of(chain, layers), layers.directories(chain.as_ref()))
        else {
            tracing::error!(image = %id, "image left out: a layer is missing");
            return;
        };
        let (tags, digests) = self.names_of(&id);
        let image = Image {
            is_variant: self.is_variant(&id),
            id,
            config,
            tags,
            digests,
            parent: record.parent,
            size_bytes,
            last_tagged_ns: record.last_tagged_ns,
            layer_dirs,
            manifest: record
                .manifest
                .as_ref()
                .map(|known| (known.digest, known.size_bytes)),
        };
        self.images.insert(
            id,
            Known {
                record,
                image: Arc::new(image),
            },
        );
    }

    pub(crate) fn remove(&mut self, id: &ImageId) {
        self.images.remove(id);
    }

    pub(crate) fn get(&self, id: &ImageId) -> Option<Arc<Image>> {
        self.images.get(id).map(|known| Arc::clone(&known.image))
    }

    pub(crate) fn record(&self, id: &ImageId) -> Option<&ImageRecord> {
        self.images.get(id).map(|known| &known.record)
    }

    pub(crate) fn set_record(&mut self, id: &ImageId, record: ImageRecord) {
        if let Some(known) = self.images.get_mut(id) {
            let mut image = Image::clone(&known.image);
            image.parent = record.parent;
            image.last_tagged_ns = record.last_tagged_ns;
            image.manifest = record
                .manifest
                .as_ref()
                .map(|known| (known.digest, known.size_bytes));
            *known = Known {
                record,
                image: Arc::new(image),
            };
        }
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = &Arc<Image>> {
        self.images.values().map(|known| &known.image)
    }

    /// The image a reference means, exactly.
    pub(crate) fn referenced(&self, reference: &ImageRef) -> Option<ImageId> {
        self.references.get(reference).copied()
    }

    /// Lets a reference mean one image and stand for no index.
    pub(crate) fn set_reference(&mut self, reference: &ImageRef, image: &ImageId) {
        let mut lost = self.take_variants(reference);
        lost.extend(self.references.insert(reference.clone(), *image));
        lost.push(*image);
        lost.iter().for_each(|id| self.refresh_names(id));
    }

    pub(crate) fn remove_reference(&mut self, reference: &ImageRef) {
        let mut lost = self.take_variants(reference);
        lost.extend(self.references.remove(reference));
        lost.iter().for_each(|id| self.refresh_names(id));
    }

    /// The index that a reference stands for.
    pub(crate) fn variants(&self, reference: &ImageRef) -> Option<&Variants> {
        self.variants.get(reference)
    }

    pub(crate) fn set_variants(&mut self, reference: &ImageRef, variants: Variants) {
        let ids: Vec<_> = variants.images.iter().map(|known| known.image).collect();
        self.variants.insert(reference.clone(), variants);
        ids.iter().for_each(|id| self.refresh_names(id));
    }

    fn take_variants(&mut self, reference: &ImageRef) -> Vec<ImageId> {
        let old = self.variants.remove(reference);
        old.map(|old| old.images.iter().map(|known| known.image).collect())
            .unwrap_or_default()
    }

    /// All names of an image: tags and digests, each sorted.
    pub(crate) fn names_of(&self, id: &ImageId) -> (Vec<ImageRef>, Vec<ImageRef>) {
        let names = self.references.iter().filter(|(name, image)| {
            *image == id || self.variants.get(name).is_some_and(|all| all.has(id))
        });
        names
            .map(|(name, _)| name.clone())
            .partition(|name| name.digest().is_none())
    }

    /// Whether an image has names and none of them means it where no platform is asked for.
    fn is_variant(&self, id: &ImageId) -> bool {
        let is_meant = self.references.values().any(|image| image == id);
        !is_meant && self.variants.values().any(|all| all.has(id))
    }

    fn refresh_names(&mut self, id: &ImageId) {
        let (tags, digests) = self.names_of(id);
        let is_variant = self.is_variant(id);
        if let Some(known) = self.images.get_mut(id) {
            let image = Image {
                tags,
                digests,
                is_variant,
                ..Image::clone(&known.image)
            };
            known.image = Arc::new(image);
        }
    }

    /// Images that were built on this one.
    pub(crate) fn has_children(&self, id: &ImageId) -> bool {
        self.images
            .values()
            .any(|known| known.record.parent.as_ref() == Some(id))
    }

    pub(crate) fn blob(&self, digest: &Digest) -> Option<&BlobRecord> {
        self.blobs.get(digest)
    }

    pub(crate) fn put_blob(&mut self, digest: Digest, record: BlobRecord) {
        self.blobs.insert(digest, record);
    }

    pub(crate) fn last_use(&self, chain: &ChainId) -> Option<i64> {
        self.uses.get(chain).copied()
    }

    pub(crate) fn put_use(&mut self, chain: ChainId, at_ns: i64) {
        self.uses.insert(chain, at_ns);
    }

    pub(crate) fn remove_use(&mut self, chain: &ChainId) {
        self.uses.remove(chain);
    }

    /// The chains whose use is known and that are gone.
    pub(crate) fn uses_without(&self, live: &HashSet<ChainId>) -> Vec<ChainId> {
        let dead = self.uses.keys().filter(|chain| !live.contains(*chain));
        dead.copied().collect()
    }

    /// The blobs that hold a layer.
    pub(crate) fn blobs_of(&self, diff_id: &DiffId) -> Vec<BlobId> {
        let holding = self
            .blobs
            .iter()
            .filter(|(_, record)| record.diff_id == *diff_id);
        let mut found: Vec<_> = holding
            .map(|(digest, record)| BlobId {
                digest: *digest,
                size_bytes: record.size_bytes,
                packing: record.packing(digest),
            })
            .collect();
        found.sort_by_key(|blob| blob.digest);
        found
    }

    /// Where a blob was seen.
    pub(crate) fn sources_of(&self, blob: &Digest) -> &[String] {
        self.sources
            .get(blob)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    pub(crate) fn remove_blob(&mut self, blob: &Digest) {
        self.blobs.remove(blob);
        self.sources.remove(blob);
    }

    /// Blobs of which no layer in `live` was made.
    pub(crate) fn blobs_without(&self, live: &HashSet<DiffId>) -> Vec<Digest> {
        let dead = self
            .blobs
            .iter()
            .filter(|(_, known)| !live.contains(&known.diff_id));
        let orphans = self
            .sources
            .keys()
            .filter(|blob| !self.blobs.contains_key(*blob));
        dead.map(|(blob, _)| *blob)
            .chain(orphans.copied())
            .collect()
    }

    /// The manifests and indexes that images and references are known by.
    pub(crate) fn manifests_in_use(&self) -> HashSet<Digest> {
        let of_images = self
            .images
            .values()
            .filter_map(|known| known.record.manifest.as_ref());
        let mut used: HashSet<_> = of_images.map(|manifest| manifest.digest).collect();
        used.extend(
            self.references
                .keys()
                .filter_map(|name| name.digest().copied()),
        );
        for variants in self.variants.values() {
            used.insert(variants.index);
            used.extend(variants.images.iter().map(|known| known.manifest));
        }
        used
    }

    pub(crate) fn put_sources(&mut self, blob: Digest, repositories: Vec<String>) {
        self.sources.insert(blob, repositories);
    }

    /// All chains that images need, with everything beneath them.
    pub(crate) fn needed(&self, layers: &impl LayerStore) -> HashSet<ChainId> {
        let mut needed = HashSet::new();
        for known in self.images.values() {
            add_with_parents(known.image.config.chain(), layers, &mut needed);
        }
        needed
    }

    /// The image a person means: whole identifier, name, or beginning of an identifier, in that
    /// order, as dockerd looks.
    pub(crate) fn find(&self, text: &str) -> Result<Arc<Image>, ImageError> {
        let query = text.parse()?;
        let missing = match &query {
            ImageQuery::Id(id) => id.to_string(),
            ImageQuery::Named(name) => name.clone().with_default_tag().familiar(),
        };
        let found = match &query {
            ImageQuery::Id(id) => Some(*id),
            ImageQuery::Named(name) => match self.named(name) {
                Some(id) => Some(id),
                None => self.by_prefix(text)?,
            },
        };
        found
            .and_then(|id| self.get(&id))
            .ok_or(ImageError::NoSuchImage(missing))
    }

    /// The image of a reference; a digest decides over a tag.
    pub(crate) fn named(&self, name: &ImageRef) -> Option<ImageId> {
        let key = match name.digest() {
            Some(digest) => name.with_digest(*digest),
            None => name.clone().with_default_tag(),
        };
        self.referenced(&key)
    }

    fn by_prefix(&self, text: &str) -> Result<Option<ImageId>, ImageError> {
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        if !is_hex_prefix(prefix) {
            return Ok(None);
        }
        let mut matching = self
            .images
            .keys()
            .filter(|id| id.digest().hex().starts_with(prefix))
            .copied();
        match (matching.next(), matching.next()) {
            (Some(_), Some(_)) => Err(ImageError::Ambiguous(text.to_owned())),
            (found, _) => Ok(found),
        }
    }
}

/// Adds a chain and all chains beneath it.
pub(crate) fn add_with_parents(
    chain: Option<ChainId>,
    layers: &impl LayerStore,
    to: &mut HashSet<ChainId>,
) {
    let mut next = chain;
    while let Some(chain) = next {
        if !to.insert(chain) {
            return;
        }
        next = layers.get(&chain).and_then(|layer| layer.parent);
    }
}

/// Bytes of all layers of a chain; none if one of them is missing.
fn size_of(chain: Option<ChainId>, layers: &impl LayerStore) -> Option<u64> {
    let mut sum = 0;
    let mut next = chain;
    while let Some(chain) = next {
        let layer = layers.get(&chain)?;
        sum += layer.content_bytes;
        next = layer.parent;
    }
    Some(sum)
}
