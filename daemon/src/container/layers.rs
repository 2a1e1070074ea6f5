//! Which layers containers stand on, for who checks or mends the store.

use gantry_image::ChainId;
use gantry_layer::LayerStore;

use super::registry::Containers;

impl Containers {
    /// The names of running containers that stand on a chain or on one above it.
    #[must_use]
    pub fn running_on(&self, chain: &ChainId) -> Vec<String> {
        let layers = self.parts.images.layers();
        let stands = |top: Option<ChainId>| {
            let mut next = top;
            while let Some(at) = next {
                if at == *chain {
                    return true;
                }
                next = layers.get(&at).and_then(|layer| layer.parent);
            }
            false
        };
        let records = self.records().into_iter();
        records
            .filter(|record| record.life.counts_as_running() && stands(record.chain))
            .map(|record| record.name.to_string())
            .collect()
    }

    /// The names of containers whose layers are gone, with the topmost that is.
    #[must_use]
    pub fn without_layers(&self) -> Vec<(String, ChainId)> {
        let layers = self.parts.images.layers();
        let missing = |top: Option<ChainId>| {
            let mut next = top;
            while let Some(at) = next {
                match layers.get(&at) {
                    Some(layer) => next = layer.parent,
                    None => return Some(at),
                }
            }
            None
        };
        let records = self.records().into_iter();
        records
            .filter_map(|record| Some((record.name.to_string(), missing(record.chain)?)))
            .collect()
    }
}
