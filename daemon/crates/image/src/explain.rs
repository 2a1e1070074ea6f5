//! What an image's bytes are: which step of its history made which layer, and what of a layer nobody
//! can see any more because a later one replaced or removed it.
//!
//! Read from the layers' tars, so that it holds for whatever way they are stored.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::ops::Bound;

use gantry_ids::ImageId;
use gantry_layer::{ChainId, Kind, LayerError, LayerStore, Limits, TarReader};

use crate::store::ImageStore;
use crate::{Image, ImageError};

/// How many files of a layer's waste are named, the largest first.
const NAMED_MAX: usize = 20;
/// The beginning of a whiteout's name (image-spec, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedLayer {
    /// The layer with those beneath it.
    pub chain: ChainId,
    /// The step of the history that made it.
    pub created_by: String,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// How many files it has.
    pub files: u64,
    /// Bytes of its files that a later layer hides.
    pub wasted_bytes: u64,
    /// The largest of those files.
    pub waste: Vec<Waste>,
    /// Other images that have this layer.
    pub shared_with: Vec<ImageId>,
}

/// A file that is there and cannot be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waste {
    /// Its path, without a leading slash.
    pub path: String,
    /// Its bytes.
    pub size_bytes: u64,
    /// Which layer hides it, counted from 0 at the lowest.
    pub hidden_by: usize,
}

/// The files that can be seen, and what became of the others.
#[derive(Debug, Default)]
struct Ledger {
    /// Path to layer and bytes.
    seen: BTreeMap<Vec<u8>, (usize, u64)>,
    hidden: Vec<(usize, Waste)>,
}

impl Ledger {
    /// An entry of a layer, its path without slashes at its ends.
    fn enter(&mut self, layer: usize, path: &[u8], kind: Kind, bytes: u64) {
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        if name == OPAQUE {
            self.hide_beneath(parent, layer);
        } else if let Some(name) = name.strip_prefix(WHITEOUT) {
            let mut target = parent.to_vec();
            if !target.is_empty() {
                target.push(b'/');
            }
            target.extend_from_slice(name);
            self.hide(&target, layer);
            self.hide_beneath(&target, layer);
        } else {
            self.hide(path, layer);
            if kind != Kind::Directory {
                self.hide_beneath(path, layer);
                self.seen.insert(path.to_vec(), (layer, bytes));
            }
        }
    }

    fn hide(&mut self, path: &[u8], by: usize) {
        if let Some((layer, size_bytes)) = self.seen.remove(path)
            && layer != by
        {
            let path = String::from_utf8_lossy(path).into_owned();
            let waste = Waste {
                path,
                size_bytes,
                hidden_by: by,
            };
            self.hidden.push((layer, waste));
        }
    }

    /// Hides what earlier layers have beneath a directory.
    fn hide_beneath(&mut self, directory: &[u8], by: usize) {
        let mut from = directory.to_vec();
        if !from.is_empty() {
            from.push(b'/');
        }
        let range = (Bound::Included(from.clone()), Bound::Unbounded);
        let beneath = self.seen.range(range);
        let beneath = beneath.take_while(|(path, _)| path.starts_with(&from));
        let lower = beneath.filter(|(_, (layer, _))| *layer != by);
        let paths: Vec<_> = lower.map(|(path, _)| path.clone()).collect();
        paths.iter().for_each(|path| self.hide(path, by));
    }
}

impl<L: LayerStore> ImageStore<L> {
    /// Says what an image's layers cost and waste. Reads all of them.
    ///
    /// # Errors
    /// [`ImageError::Layer`], [`ImageError::ArchiveTar`].
    pub fn explain(&self, image: &Image) -> Result<Vec<ExplainedLayer>, ImageError> {
        let mut steps = image.config.file().history.iter();
        let mut steps = steps.by_ref().filter(|step| !step.empty_layer);
        let mut ledger = Ledger::default();
        let mut layers = Vec::new();
        let mut below = None;
        for (number, diff_id) in image.config.file().rootfs.diff_ids.iter().enumerate() {
            let chain = ChainId::on_top(below.as_ref(), diff_id);
            let layer = self.layers().get(&chain);
            let layer = layer.ok_or(LayerError::NoSuchLayer(chain))?;
            let files = self.read_layer(&chain, number, &mut ledger)?;
            let step = steps.next();
            layers.push(ExplainedLayer {
                chain,
                created_by: step.map(|step| step.created_by.clone()).unwrap_or_default(),
                size_bytes: layer.content_bytes,
                files,
                wasted_bytes: 0,
                waste: Vec::new(),
                shared_with: self.sharing(&chain, image),
            });
            below = Some(chain);
        }
        let mut hidden = ledger.hidden;
        hidden.sort_by(|a, b| (b.1.size_bytes, &a.1.path).cmp(&(a.1.size_bytes, &b.1.path)));
        for (number, waste) in hidden {
            let layer = &mut layers[number];
            layer.wasted_bytes += waste.size_bytes;
            if layer.waste.len() < NAMED_MAX && waste.size_bytes > 0 {
                layer.waste.push(waste);
            }
        }
        Ok(layers)
    }

    /// Enters a layer's files; how many there are.
    fn read_layer(
        &self,
        chain: &ChainId,
        number: usize,
        ledger: &mut Ledger,
    ) -> Result<u64, ImageError> {
        let (reader, mut writer) = std::io::pipe().map_err(LayerError::Write)?;
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || self.layers().write_tar(chain, &mut writer));
            let read = entries(reader, number, ledger);
            let written = writing.join().expect("writing a tar does not panic");
            // A reader that gave up is what broke the writer's pipe.
            let files = read?;
            written?;
            Ok(files)
        })
    }

    fn sharing(&self, chain: &ChainId, image: &Image) -> Vec<ImageId> {
        let mut found = Vec::new();
        for other in self.list() {
            let mut chains = std::collections::HashSet::new();
            let top = other.config.chain();
            crate::store::add_with_parents(top, self.layers(), &mut chains);
            if other.id != image.id && chains.contains(chain) {
                found.push(other.id);
            }
        }
        found
    }
}

fn entries(
    source: std::io::PipeReader,
    number: usize,
    ledger: &mut Ledger,
) -> Result<u64, ImageError> {
    let source = BufReader::with_capacity(256 << 10, source);
    let mut tar = TarReader::new(source, (), Limits::DEFAULT);
    let mut files = 0;
    while let Some(entry) = tar.next_entry().map_err(ImageError::ArchiveTar)? {
        let path = trimmed(&entry.path);
        if path.is_empty() {
            continue;
        }
        let bytes = if entry.kind == Kind::File {
            entry.size
        } else {
            0
        };
        ledger.enter(number, path, entry.kind, bytes);
        files += u64::from(entry.kind != Kind::Directory);
    }
    // To the end, so that the writer ends well.
    let (mut rest, ()) = tar.into_parts();
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(ImageError::ArchiveRead)?;
    Ok(files)
}

/// A path without what may stand around it: `./`, slashes.
fn trimmed(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let start = path
        .iter()
        .position(|byte| *byte != b'/')
        .unwrap_or(path.len());
    let path = &path[start..];
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |at| at + 1);
    &path[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_waste_of_the_layer_it_lies_in() {
        let mut ledger = Ledger::default();
        let file = |ledger: &mut Ledger, layer, path: &str, bytes| {
            ledger.enter(layer, path.as_bytes(), Kind::File, bytes);
        };
        file(&mut ledger, 0, "a", 10);
        file(&mut ledger, 0, "d/x", 20);
        file(&mut ledger, 0, "d/y", 30);
        file(&mut ledger, 0, "e/f/g", 40);
        file(&mut ledger, 0, "dd", 1);
        // Replaced, removed, hidden by an opaque directory, and by a file in a directory's place.
        file(&mut ledger, 1, "a", 11);
        file(&mut ledger, 1, "d/.wh.x", 0);
        file(&mut ledger, 2, "e/f/new", 5);
        file(&mut ledger, 2, "e/.wh..wh..opq", 0);
        file(&mut ledger, 2, "d", 7);
        let hidden: Vec<_> = ledger
            .hidden
            .iter()
            .map(|(layer, waste)| {
                (
                    *layer,
                    waste.path.as_str(),
                    waste.size_bytes,
                    waste.hidden_by,
                )
            })
            .collect();
        assert_eq!(
            hidden,
            [
                (0, "a", 10, 1),
                (0, "d/x", 20, 1),
                (0, "e/f/g", 40, 2),
                (0, "d/y", 30, 2)
            ]
        );
        assert!(ledger.seen.contains_key(&b"e/f/new"[..]) && ledger.seen.contains_key(&b"dd"[..]));
    }

    #[test]
    fn paths_are_compared_bare() {
        for (path, expected) in [
            ("./a/b/", "a/b"),
            ("/a", "a"),
            ("a", "a"),
            ("./", ""),
            ("/", ""),
        ] {
            assert_eq!(trimmed(path.as_bytes()), expected.as_bytes());
        }
    }
}
