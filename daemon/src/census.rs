//! What the engine's other parts ask about containers, without knowing them.
//!
//! `/info` counts them, `/system/df` and `/images` ask who uses what: this is the port they ask
//! through, answered from memory by whoever keeps the containers.

use std::fmt::Debug;

use gantry_engine_api::container::ContainerSummary;
use gantry_engine_api::volume::Volume;
use gantry_ids::ImageId;
use gantry_image::ContainerUse;

/// How many containers are doing what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Running, paused ones included.
    pub running: usize,
    /// Paused.
    pub paused: usize,
    /// Everything else.
    pub stopped: usize,
}

/// Answers about containers; never waits for one.
pub trait Census: Debug + Send + Sync {
    /// How many there are.
    fn counts(&self) -> Counts;

    /// Who uses an image.
    fn users_of_image(&self, image: &ImageId) -> Vec<ContainerUse>;

    /// All containers with their sizes, for `/system/df`. May walk directories: call it off the
    /// async threads.
    fn disk_usage(&self) -> Vec<ContainerSummary>;

    /// All volumes with their sizes and users, for `/system/df`; as `disk_usage`.
    fn volumes_usage(&self) -> Vec<Volume>;
}

/// No containers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Census for Nobody {
    fn counts(&self) -> Counts {
        Counts::default()
    }

    fn users_of_image(&self, _: &ImageId) -> Vec<ContainerUse> {
        Vec::new()
    }

    fn disk_usage(&self) -> Vec<ContainerSummary> {
        Vec::new()
    }

    fn volumes_usage(&self) -> Vec<Volume> {
        Vec::new()
    }
}
