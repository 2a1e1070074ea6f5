//! Whether all that is stored is what it should be: configurations, names, manifests, layers.
//!
//! Looking takes no lock: images can be used, pulled and removed meanwhile. Repairing holds the store's
//! lock for each thing it mends.

use std::collections::{HashMap, HashSet};

use gantry_ids::{Digest, ImageRef};
use gantry_layer::{ChainId, Fault, Layer, LayerStore, Layers};
use serde::Serialize;

use crate::store::Change;
use crate::{ImageConfig, ImageError, ImageStore};

/// What is to be looked at, and what may be done about it.
#[derive(Clone, Copy)]
pub struct FsckRequest<'a> {
    /// Whether to mend what can be mended.
    pub repair: bool,
    /// The containers that run on a chain, by name: their layers are left alone.
    pub running: &'a dyn Fn(&ChainId) -> Vec<String>,
}

impl std::fmt::Debug for FsckRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FsckRequest")
            .field("repair", &self.repair)
            .finish_non_exhaustive()
    }
}

/// What was looked at and found.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FsckReport {
    /// Images whose records were read.
    pub images: usize,
    /// Layers that were read.
    pub layers: usize,
    /// Bytes of their tars.
    pub layer_bytes: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Finding {
    /// What it is: `image`, `reference`, `manifest`, `layer`, `container`.
    pub kind: String,
    /// Which.
    pub id: String,
    /// What is wrong with it.
    pub problem: String,
    /// Whether it is right again.
    pub repaired: bool,
    /// What is to be done; empty where nothing is.
    pub advice: String,
}

/// What to say where `--repair` was not asked for.
const REPAIR: &str = "run fsck with --repair";

impl Finding {
    fn new(kind: &str, id: &impl ToString, problem: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_string(),
            problem: problem.into(),
            repaired: false,
            advice: String::new(),
        }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    fn mended(mut self) -> Self {
        self.repaired = true;
        self
    }
}

impl ImageStore<Layers> {
    /// Looks at everything that is stored, and mends what can be mended if that is asked for. Reads
    /// every byte of every layer.
    ///
    /// # Errors
    /// [`ImageError::Metadata`] or [`ImageError::Layer`] if something cannot be looked at.
    pub fn fsck(&self, request: &FsckRequest<'_>) -> Result<FsckReport, ImageError> {
        let mut report = FsckReport::default();
        self.check_records(request, &mut report)?;
        for layer in self.layers().list() {
            report.layers += 1;
            report.layer_bytes += layer.tar_bytes;
            // Removed meanwhile.
            if self.layers().get(&layer.chain).is_none() {
                continue;
            }
            if let Some(fault) = self.layers().check(&layer.chain)? {
                report.findings.push(self.mend(&layer, fault, request)?);
            }
        }
        self.check_leftovers(request, &mut report)?;
        Ok(report)
    }

    /// Configurations, names and manifests.
    fn check_records(
        &self,
        request: &FsckRequest<'_>,
        report: &mut FsckReport,
    ) -> Result<(), ImageError> {
        let contents = self.contents()?;
        let mut names: HashMap<_, Vec<&ImageRef>> = HashMap::new();
        for (reference, image) in &contents.references {
            names.entry(*image).or_default().push(reference);
        }
        let mut known = HashSet::new();
        for (id, bytes, _) in &contents.images {
            report.images += 1;
            known.insert(*id);
            let problem = if Digest::of(bytes) == *id.digest() {
                match ImageConfig::parse(bytes) {
                    Ok(config) => self.missing_layer(&config),
                    Err(error) => Some(gantry_errors::chain(&error).to_string()),
                }
            } else {
                Some("its configuration has another digest".to_owned())
            };
            if let Some(problem) = problem {
                let advice = pull_again(names.get(id).map_or(&[], Vec::as_slice));
                let finding = Finding::new("image", id, problem);
                report.findings.push(finding.advise(advice));
            }
        }
        for (reference, image) in &contents.references {
            if known.contains(image) {
                continue;
            }
            let mut finding = Finding::new("reference", reference, "it names no image");
            if request.repair {
                let _writer = self.write_lock();
                self.change(vec![Change::DeleteReference {
                    reference: reference.clone(),
                }])?;
                finding = finding.mended();
            } else {
                finding = finding.advise(REPAIR);
            }
            report.findings.push(finding);
        }
        for digest in self.damaged_manifests()? {
            let finding = Finding::new("manifest", &digest, "its bytes have another digest");
            report
                .findings
                .push(finding.advise("pull the image again before it is pushed"));
        }
        Ok(())
    }

    fn missing_layer(&self, config: &ImageConfig) -> Option<String> {
        let mut below = None;
        for diff in &config.file().rootfs.diff_ids {
            let chain = ChainId::on_top(below.as_ref(), diff);
            if self.layers().get(&chain).is_none() {
                return Some(format!("its layer {diff} is missing"));
            }
            below = Some(chain);
        }
        None
    }

    /// Mends a layer, or says what to do about it.
    fn mend(
        &self,
        layer: &Layer,
        fault: Fault,
        request: &FsckRequest<'_>,
    ) -> Result<Finding, ImageError> {
        let (problem, is_content) = match fault {
            Fault::Shape(problem) => (problem, false),
            Fault::Content(problem) => (problem, true),
        };
        let finding = Finding::new("layer", &layer.diff_id, problem);
        if !request.repair {
            return Ok(finding.advise(REPAIR));
        }
        let users = (request.running)(&layer.chain);
        if !users.is_empty() {
            let advice = format!("stop {} and repair again", users.join(", "));
            return Ok(finding.advise(advice));
        }
        let _writer = self.write_lock();
        if self.layers().repair(&layer.chain)? {
            return Ok(finding.mended());
        }
        debug_assert!(is_content, "a layer's own content mends its shape");
        // Out of the way, so that a pull brings this one layer again.
        let names: Vec<_> = self.names_upon(&layer.chain);
        self.layers().remove(&layer.chain)?;
        Ok(finding.advise(pull_again(&names.iter().collect::<Vec<_>>())))
    }

    /// The names of images that need a chain.
    fn names_upon(&self, chain: &ChainId) -> Vec<ImageRef> {
        let needs = |image: &std::sync::Arc<crate::Image>| {
            let mut next = image.config.chain();
            while let Some(at) = next {
                if at == *chain {
                    return true;
                }
                next = self.layers().get(&at).and_then(|layer| layer.parent);
            }
            false
        };
        let images = self.list().into_iter().filter(needs);
        images.flat_map(|image| image.tags.clone()).collect()
    }

    /// What nobody needs: layers, and what lies among them.
    fn check_leftovers(
        &self,
        request: &FsckRequest<'_>,
        report: &mut FsckReport,
    ) -> Result<(), ImageError> {
        for chain in self.unneeded() {
            let finding = Finding::new("layer", &chain, "nothing needs it");
            report.findings.push(if request.repair {
                finding.mended()
            } else {
                finding.advise(REPAIR)
            });
        }
        for path in self.layers().strangers()? {
            let finding = Finding::new("layer", &path.display(), "it is no layer");
            report.findings.push(if request.repair {
                self.layers().discard(&path)?;
                finding.mended()
            } else {
                finding.advise(REPAIR)
            });
        }
        if request.repair {
            self.sweep()?;
        }
        Ok(())
    }
}

fn pull_again(names: &[&ImageRef]) -> String {
    match names {
        [] => "remove the image, or load it again".to_owned(),
        names => {
            let names: Vec<_> = names.iter().map(|name| name.familiar()).collect();
            format!("pull or load again: {}", names.join(", "))
        }
    }
}
