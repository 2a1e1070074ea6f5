//! An image as listings and `inspect` see it.

use std::path::PathBuf;

use gantry_ids::{Digest, ImageId, ImageRef, Platform};

use crate::ImageConfig;

/// An image: its configuration, its names, its size. A snapshot: it does not change when the store
/// does.
#[derive(Debug, Clone)]
pub struct Image {
    /// The digest of the configuration.
    pub id: ImageId,
    /// The configuration.
    pub config: ImageConfig,
    /// The references with a tag, sorted.
    pub tags: Vec<ImageRef>,
    /// The references with a digest (`RepoDigests`), sorted.
    pub digests: Vec<ImageRef>,
    /// The image this one was built on, if that is known here.
    pub parent: Option<ImageId>,
    /// Bytes of file content in all layers.
    pub size_bytes: u64,
    /// When a tag was last put on it, in nanoseconds since 1970; none if never.
    pub last_tagged_ns: Option<i64>,
    /// The directories of its layers, the top one first (`GraphDriver`).
    pub layer_dirs: Vec<PathBuf>,
    /// The digest and size of the manifest it came with, if it came with one.
    pub manifest: Option<(Digest, u64)>,
    /// Whether its names mean another platform's image unless this one's platform is asked for.
    pub is_variant: bool,
}

impl Image {
    /// Whether it has neither tag nor digest reference.
    #[must_use]
    pub fn is_dangling(&self) -> bool {
        self.tags.is_empty() && self.digests.is_empty()
    }

    /// What it was made for.
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.config.platform()
    }

    /// When it was made, in nanoseconds since 1970; 0 if its configuration does not say.
    #[must_use]
    pub fn created_ns(&self) -> i64 {
        self.config
            .file()
            .created
            .as_deref()
            .and_then(nanos)
            .unwrap_or(0)
    }
}

/// One line of `docker history`, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    /// The image that ended with this step, if it is known here.
    pub id: Option<ImageId>,
    /// Seconds since 1970; 0 if unknown.
    pub created_s: i64,
    /// The command.
    pub created_by: String,
    /// The tags of the image that ended with this step.
    pub tags: Vec<ImageRef>,
    /// Bytes of the step's layer; 0 if it made none.
    pub size_bytes: u64,
    /// What was said about it.
    pub comment: String,
}

/// What images cost on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes of all layers, each counted once.
    pub layers_bytes: u64,
    /// Per image: all its bytes, and those of layers that another image has too.
    pub images: Vec<ImageUsage>,
}

/// What one image costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUsage {
    /// Which image.
    pub id: ImageId,
    /// Bytes of its layers.
    pub size_bytes: u64,
    /// Bytes of those layers that another image has too.
    pub shared_bytes: u64,
}

/// Nanoseconds since 1970 of an RFC 3339 time; none if it is none.
pub(crate) fn nanos(time: &str) -> Option<i64> {
    i64::try_from(time.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}
