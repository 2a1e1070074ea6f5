//! Results of earlier builds: their layers are kept until the results are pruned.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use gantry_ids::Digest;
use gantry_image::{ImageStore, Pin};
use gantry_layer::{ChainId, LayerStore};
use jiff::Timestamp;

use super::Solver;
use crate::port::{Cache, Record};

/// The layers of cached results, by key.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<Digest, Pin>>);

impl Leases {
    /// Keeps the layers of all results; a result whose layer is gone goes too.
    pub(super) fn take(images: &ImageStore, cache: &dyn Cache) -> Self {
        let mut pins = HashMap::new();
        for (key, record) in cache.list() {
            match record.chain.map(|chain| images.pin(&chain)) {
                Some(Some(pin)) => {
                    pins.insert(key, pin);
                }
                Some(None) => cache.remove(&key),
                None => {}
            }
        }
        Self(Mutex::new(pins))
    }

    fn replace(&self, images: &ImageStore, key: &Digest, pin: Option<Pin>) {
        let old = {
            let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match pin {
                Some(pin) => pins.insert(*key, pin),
                None => pins.remove(key),
            }
        };
        if let Some(old) = old {
            images.unpin(old);
        }
    }
}

/// A cached result, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The step's key.
    pub key: Digest,
    /// The result.
    pub record: Record,
    /// Whether an image has its layer too, so that pruning frees nothing.
    pub is_shared: bool,
}

/// What of the cache is to be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneFilter {
    /// Only what was not used since this time.
    pub unused_since: Option<Timestamp>,
    /// The results used last are kept up to so many bytes.
    pub keep_bytes: u64,
    /// Also results whose layers images have.
    pub all: bool,
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The steps' keys.
    pub keys: Vec<Digest>,
    /// Bytes that were freed.
    pub freed_bytes: u64,
}

impl Solver {
    /// The result of a step, with its layer pinned for the caller; it counts as used now.
    pub(super) fn cached(&self, key: &Digest) -> Option<(Record, Pin)> {
        let record = self.parts.cache.get(key)?;
        let pin = self.parts.images.pin(record.chain.as_ref()?);
        if pin.is_none() {
            self.parts.cache.remove(key);
        }
        Some((record, pin?))
    }

    /// Keeps a result.
    pub(super) fn remember(&self, key: &Digest, record: Record) {
        let images = &self.parts.images;
        let pin = record.chain.and_then(|chain| images.pin(&chain));
        self.leases.replace(images, key, pin);
        self.parts.cache.put(key, record);
    }

    /// All cached results, the one used last first.
    #[must_use]
    pub fn kept(&self) -> Vec<Kept> {
        let images = &self.parts.images;
        let mut shared: HashSet<ChainId> = HashSet::new();
        for image in images.list() {
            let mut next = image.config.chain();
            while let Some(chain) = next.filter(|chain| shared.insert(*chain)) {
                next = images.layers().get(&chain).and_then(|layer| layer.parent);
            }
        }
        let mut kept: Vec<Kept> = self
            .parts
            .cache
            .list()
            .into_iter()
            .map(|(key, record)| Kept {
                key,
                is_shared: record.chain.is_some_and(|chain| shared.contains(&chain)),
                record,
            })
            .collect();
        kept.sort_by_key(|kept| (std::cmp::Reverse(kept.record.used_ns), kept.key));
        kept
    }

    /// Removes cached results. A step that a build is doing or using now is not disturbed: it has
    /// its layers itself.
    #[must_use]
    pub fn prune(&self, filter: &PruneFilter) -> Pruned {
        let mut pruned = Pruned::default();
        let mut room = filter.keep_bytes;
        let before = |record: &Record| {
            let limit = filter.unused_since.map(Timestamp::as_nanosecond);
            limit.is_none_or(|limit| i128::from(record.used_ns) < limit)
        };
        for kept in self.kept() {
            let record = &kept.record;
            if kept.is_shared && !filter.all {
                continue;
            }
            if !before(record) {
                continue;
            }
            if let Some(left) = room.checked_sub(record.size_bytes).filter(|_| room > 0) {
                room = left;
                continue;
            }
            self.parts.cache.remove(&kept.key);
            self.leases.replace(&self.parts.images, &kept.key, None);
            if !kept.is_shared {
                pruned.freed_bytes += record.size_bytes;
            }
            pruned.keys.push(kept.key);
        }
        pruned
    }
}
