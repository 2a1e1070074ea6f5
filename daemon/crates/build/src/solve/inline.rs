//! The cache that an image carries (`moby.buildkit.cache.v0` in its configuration): written where a
//! build asks for it, read for `--cache-from`.
//!
//! The field has BuildKit's form (base64 of JSON with layers and records); its records name the keys of
//! this solver, which no other one knows. Layers are the image's own.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_errors::ErrorKind;
use gantry_ids::{Digest, Platform};
use gantry_image::{ChainId, DiffId, Image, ImageConfig};
use gantry_layer::LayerStore;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::base::Finder;
use super::stage::Build;
use super::tell::Work;
use crate::fault::Fault;
use crate::port::{Record, Refusal};
use crate::progress::Ending;

/// The field of a configuration.
const FIELD: &str = "moby.buildkit.cache.v0";

/// Steps that an image has the results of: the chain with the step's layer on top, and when it was
/// made, nanoseconds since 1970.
pub(super) type Imported = BTreeMap<Digest, (ChainId, i64)>;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Cache {
    #[serde(default)]
    layers: Vec<CacheLayer>,
    #[serde(default)]
    records: Vec<CacheRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CacheLayer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
    #[serde(default)]
    parent: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct CacheRecord {
    #[serde(default)]
    digest: String,
    #[serde(default)]
    layers: Vec<CacheResult>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CacheResult {
    layer: usize,
    #[serde(rename = "createdAt", default)]
    created_at: String,
}

/// The configuration with the keys of the layers that were added: the last ones of its list.
pub(super) fn embed(
    config: &ImageConfig,
    keys: &[(Digest, Timestamp)],
) -> Result<ImageConfig, Fault> {
    let diffs: &[DiffId] = &config.file().rootfs.diff_ids;
    let first = diffs.len().saturating_sub(keys.len());
    let layers = diffs.iter().zip(-1..);
    let cache = Cache {
        layers: layers
            .map(|(diff, parent)| CacheLayer {
                blob: Some(diff.to_string()),
                parent,
            })
            .collect(),
        records: keys
            .iter()
            .zip(first..)
            .map(|((key, made), layer)| CacheRecord {
                digest: key.to_string(),
                layers: vec![CacheResult {
                    layer,
                    created_at: made.to_string(),
                }],
            })
            .collect(),
    };
    let mut value: serde_json::Value =
        serde_json::from_slice(config.raw()).expect("a configuration is JSON");
    let json = serde_json::to_vec(&cache).expect("plain fields");
    value[FIELD] = STANDARD.encode(json).into();
    Ok(ImageConfig::parse(value.to_string().as_bytes())?)
}

/// The steps that an image tells; none without the field, or with one that is not ours.
fn read(config: &ImageConfig) -> Imported {
    let diffs = &config.file().rootfs.diff_ids;
    let cache = || -> Option<Cache> {
        let value: serde_json::Value = serde_json::from_slice(config.raw()).ok()?;
        let json = STANDARD.decode(value.get(FIELD)?.as_str()?).ok()?;
        serde_json::from_slice(&json).ok()
    };
    let records = cache().unwrap_or_default().records.into_iter();
    let steps = records.filter_map(|record| {
        let result = record.layers.first()?;
        let chain = ChainId::of(diffs.get(..=result.layer)?)?;
        let made: Option<Timestamp> = result.created_at.parse().ok();
        let made = i64::try_from(made.unwrap_or_default().as_nanosecond()).unwrap_or(0);
        Some((record.digest.parse().ok()?, (chain, made)))
    });
    steps.collect()
}

impl Finder<'_> {
    /// The steps that the images of `--cache-from` have the results of. One that cannot be had makes
    /// a build slower, and never fails it.
    pub(super) fn import(&self, platform: &Platform) -> Imported {
        let mut imported = Imported::new();
        for name in &self.request.cache_from {
            let title = format!("importing cache manifest from {name}");
            let work = Work::new(self.progress, &title);
            let found = self.here_or_pulled(name, platform, &work);
            let steps = found.and_then(|image: std::sync::Arc<Image>| {
                let steps = read(&image.config);
                if steps.is_empty() {
                    let text = format!(
                        "{name} holds no cache of this engine's: build it with --build-arg BUILDKIT_INLINE_CACHE=1"
                    );
                    return Err(Fault::Refused(Refusal::new(ErrorKind::NotFound, text)));
                }
                Ok(steps)
            });
            match steps {
                Ok(steps) => {
                    imported.extend(steps);
                    work.end(Ending::Done);
                }
                Err(fault) => {
                    work.end(Ending::Failed(gantry_errors::chain(&fault).to_string()));
                }
            }
        }
        imported
    }
}

impl Build<'_> {
    /// The result of a step that an imported cache has; from now on it is the engine's own.
    pub(super) fn imported(
        &self,
        key: &Digest,
        (code, parent): (&str, &Digest),
    ) -> Option<(Record, gantry_image::Pin)> {
        let (chain, created_ns) = self.prepared.imported.get(key)?;
        let images = &self.solver.parts.images;
        let pin = images.pin(chain)?;
        let size_bytes = images
            .layers()
            .get(chain)
            .map_or(0, |layer| layer.content_bytes);
        let record = Record {
            v: 1,
            chain: Some(*chain),
            has_layer: true,
            size_bytes,
            description: code.to_owned(),
            parent: Some(*parent),
            created_ns: *created_ns,
            used_ns: i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX),
            uses: 1,
        };
        self.solver.remember(key, record.clone());
        Some((record, pin))
    }
}

#[cfg(test)]
mod tests {
    use gantry_image::ConfigFile;

    use super::*;

    #[test]
    fn what_is_embedded_is_read_again() {
        let diff = |text: &[u8]| DiffId::new(Digest::of(text));
        let mut file = ConfigFile::default();
        file.rootfs.diff_ids = vec![diff(b"base"), diff(b"one"), diff(b"two")];
        let plain = ImageConfig::from_file(file);
        assert!(read(&plain).is_empty());
        let made: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let keys = [(Digest::of(b"k1"), made), (Digest::of(b"k2"), made)];
        let config = embed(&plain, &keys).unwrap();
        let diffs = &config.file().rootfs.diff_ids;
        let steps = read(&config);
        assert_eq!(steps.len(), 2);
        let ns = i64::try_from(made.as_nanosecond()).unwrap();
        assert_eq!(steps[&keys[0].0], (ChainId::of(&diffs[..2]).unwrap(), ns));
        assert_eq!(steps[&keys[1].0], (ChainId::of(diffs).unwrap(), ns));
        // Another engine's, and nonsense.
        for text in [
            "bm9uc2Vuc2U=",
            "!",
            "eyJyZWNvcmRzIjpbeyJkaWdlc3QiOiJ4IiwibGF5ZXJzIjpbeyJsYXllciI6OTl9XX1dfQ==",
        ] {
            let raw = format!(r#"{{"{FIELD}":"{text}"}}"#);
            assert!(read(&ImageConfig::parse(raw.as_bytes()).unwrap()).is_empty());
        }
    }
}
