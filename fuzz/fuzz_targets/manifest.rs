//! A manifest or index of any bytes.
#![no_main]

use gantry_registry::manifest::{Document, LAYERS_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Document::parse(bytes, "") {
        Ok(Document::Manifest(manifest)) => {
            assert!(manifest.layers.len() <= LAYERS_MAX);
            assert!(manifest.layers.iter().all(|layer| layer.size <= 1 << 40));
        }
        Ok(Document::Index(index)) => {
            let _ = index.choose(&gantry_ids::Platform::of_this_machine());
        }
        Err(error) => assert!(error.to_string().len() < 1000),
    }
});
