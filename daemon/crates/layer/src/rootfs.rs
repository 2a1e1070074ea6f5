//! What a shim must mount so that a container sees its image with a writable layer on top.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ChainId;
use crate::store::{Lease, Lowers};

/// One mount, in the terms of containerd's `types.Mount`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The file system's type: `overlay`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The source; for overlay the word `overlay`.
    pub source: String,
    /// The options, one each: `lowerdir=…` (top layer first, `:` between them, a `:` or `\` inside a
    /// path escaped by `\`), `upperdir=…`, `workdir=…`.
    pub options: Vec<String>,
}

/// A container's root filesystem, before it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rootfs {
    /// The top of the image's layers; none for an image without layers.
    pub chain: Option<ChainId>,
    /// What to mount on the root, in order.
    pub mounts: Vec<Mount>,
    /// The directory that gets the container's writes.
    pub upper: PathBuf,
    /// Overlay's own work directory.
    pub work: PathBuf,
    /// The layers' directories, the top one first.
    pub lowers: Vec<PathBuf>,
    /// Keeps the layers mounted: to be kept until the mounts are made.
    pub lease: Lease,
}

impl Rootfs {
    /// The overlay of `lowers` (the top one first, never empty) and of `rw/upper` with `rw/work`.
    pub(crate) fn overlay(chain: Option<ChainId>, lowers: Lowers, rw: &Path) -> Self {
        let (upper, work) = (rw.join("upper"), rw.join("work"));
        Self {
            chain,
            mounts: vec![mount(&lowers.paths, &upper, &work)],
            upper,
            work,
            lowers: lowers.paths,
            lease: lowers.lease,
        }
    }

    /// The same with `directory` beneath all layers.
    #[must_use]
    pub fn above(mut self, directory: &Path) -> Self {
        self.lowers.push(directory.to_owned());
        self.mounts = vec![mount(&self.lowers, &self.upper, &self.work)];
        self
    }
}

fn mount(lowers: &[PathBuf], upper: &Path, work: &Path) -> Mount {
    let lower: Vec<_> = lowers.iter().map(|path| escape(path)).collect();
    Mount {
        kind: "overlay".to_owned(),
        source: "overlay".to_owned(),
        options: vec![
            format!("lowerdir={}", lower.join(":")),
            format!("upperdir={}", upper.display()),
            format!("workdir={}", work.display()),
        ],
    }
}

fn escape(path: &Path) -> String {
    path.display()
        .to_string()
        .replace('\\', "\\\\")
        .replace(':', "\\:")
}
