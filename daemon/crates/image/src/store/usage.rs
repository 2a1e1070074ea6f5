//! What images cost, and when they were last used.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gantry_layer::{ChainId, LayerStore};

use super::names::now_ns;
use super::{Change, ImageStore, UsedBy};
use crate::{DiskUsage, Image, ImageError, ImageUsage};

/// How exactly it is kept when an image was last used, in nanoseconds: collection is a matter of days,
/// and not every container is worth a record.
const USE_STEP_NS: i64 = 3600 * 1_000_000_000;

/// An image that no container uses.
#[derive(Debug, Clone)]
pub struct Idle {
    /// The image.
    pub image: Arc<Image>,
    /// When it was last used, tagged, or first found unused: nanoseconds since 1970.
    pub since_ns: i64,
}

impl<L: LayerStore> ImageStore<L> {
    /// What images hold: bytes of content, each layer's counted once.
    #[must_use]
    pub fn disk_usage(&self) -> DiskUsage {
        self.usage_by(&|chain| {
            let layer = self.layers.get(chain);
            layer.map_or(0, |layer| layer.content_bytes)
        })
    }

    /// What images take on the disk, as `du` counts it. Walks layers that were not measured yet.
    #[must_use]
    pub fn disk_space(&self) -> DiskUsage {
        self.usage_by(&|chain| self.layers.disk_bytes(chain))
    }

    fn usage_by(&self, bytes: &dyn Fn(&ChainId) -> u64) -> DiskUsage {
        let images = self.list();
        let mut users: HashMap<ChainId, u32> = HashMap::new();
        let chains_of = |image: &Image| {
            let mut chains = HashSet::new();
            super::index::add_with_parents(image.config.chain(), &self.layers, &mut chains);
            chains
        };
        for image in &images {
            for chain in chains_of(image) {
                *users.entry(chain).or_default() += 1;
            }
        }
        let usage = |image: &Arc<Image>| {
            let chains = chains_of(image);
            let shared = |chain: &&ChainId| users.get(*chain).is_some_and(|users| *users > 1);
            ImageUsage {
                id: image.id,
                size_bytes: chains.iter().map(bytes).sum(),
                shared_bytes: chains.iter().filter(shared).map(bytes).sum(),
            }
        };
        let layers = self.layers.list();
        DiskUsage {
            layers_bytes: layers.iter().map(|layer| bytes(&layer.chain)).sum(),
            images: images.iter().map(usage).collect(),
        }
    }

    /// The images that no container uses, the one unused for longest first. One that nothing is known of
    /// counts as used now, and is remembered as that.
    ///
    /// # Errors
    /// [`ImageError::Metadata`].
    pub fn idle(&self, used_by: UsedBy<'_>) -> Result<Vec<Idle>, ImageError> {
        let _writer = self.write_lock();
        let now = now_ns();
        let mut first_seen = Vec::new();
        let mut idle = Vec::new();
        for image in self.list() {
            if !used_by(&image.id).is_empty() {
                continue;
            }
            let chain = image.config.chain();
            let used = chain.and_then(|chain| self.index().last_use(&chain));
            let known = used.max(image.last_tagged_ns);
            if let (None, Some(chain)) = (known, chain) {
                first_seen.push(Change::PutUse { chain, at_ns: now });
            }
            idle.push(Idle {
                since_ns: known.unwrap_or(now),
                image,
            });
        }
        if !first_seen.is_empty() {
            self.change_later(first_seen)?;
        }
        idle.sort_by_key(|idle| (idle.since_ns, idle.image.id));
        Ok(idle)
    }

    /// Remembers that a chain was in use until now. To be called with the write lock held. A power cut
    /// may lose it, which costs nothing but a pull.
    pub(super) fn note_use(&self, chain: ChainId) {
        let at_ns = now_ns();
        let known = self.index().last_use(&chain);
        if known.is_some_and(|known| at_ns - known < USE_STEP_NS) {
            return;
        }
        if let Err(error) = self.change_later(vec![Change::PutUse { chain, at_ns }]) {
            tracing::warn!(%error, "when an image was last used is not remembered");
        }
    }
}
