//! `rmi` and `prune`: docker's rules for what goes and what is in the way.

use gantry_ids::{ContainerId, ImageId, ImageRef};
use gantry_layer::ChainId;

/// A container that uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUse {
    /// Which container.
    pub id: ContainerId,
    /// Whether it runs.
    pub running: bool,
}

/// How to remove an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Over stopped containers and several tags.
    pub force: bool,
    /// Keep parents that nothing else needs.
    pub keep_parents: bool,
}

/// One thing that was removed, in the order docker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A reference (event `untag`).
    Untagged {
        /// The reference.
        reference: ImageRef,
        /// The image it meant.
        image: ImageId,
    },
    /// An image (event `delete`).
    Image(ImageId),
    /// A layer that nothing needs any more.
    Layer(ChainId),
}

/// Which images `prune` looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneFilter {
    /// Tagged images too, if no container uses them.
    pub all: bool,
    /// Only images made before this time (seconds since 1970).
    pub until_s: Option<i64>,
    /// Only images with these labels: name and value, or any value.
    pub labels: Vec<(String, Option<String>)>,
    /// Only images without these labels.
    pub not_labels: Vec<(String, Option<String>)>,
}

/// What `prune` removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Everything removed.
    pub removed: Vec<Removed>,
    /// Bytes of the removed layers.
    pub reclaimed_bytes: u64,
}
