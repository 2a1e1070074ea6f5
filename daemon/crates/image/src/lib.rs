//! Images: the content store, references, load and import.
//!
//! Owns what an image is (a configuration, its layers, the references to it), its durable records,
//! and docker's rules for naming, finding and removing images. Synchronous: gantryd calls it on its
//! blocking pool; lookups and listings never touch the disk. Deliberately not here: how a layer is
//! stored (`gantry-layer`), registries, HTTP.

mod config;
mod error;
mod explain;
mod failpoints;
mod fsck;
mod image;
mod import;
mod load;
mod remove;
mod save;
mod stop;
mod store;

pub use config::{ConfigFile, Healthcheck, HistoryEntry, ImageConfig, RootFs, RunConfig};
pub use error::{ImageError, PlatformMismatch};
pub use explain::{ExplainedLayer, Waste};
pub use fsck::{Finding, FsckReport, FsckRequest};
pub use gantry_layer::{
    ChainId, DiffId, Form, Lease, Lowers, Mount, Packing, PackingError, Rootfs,
};
pub use image::{DiskUsage, HistoryItem, Image, ImageUsage};
pub use import::{ImportRequest, apply_changes};
pub use load::{LoadEvent, Loaded};
pub use remove::{ContainerUse, PruneFilter, PruneReport, RemoveOptions, Removed};
pub use save::SavedImage;
pub use stop::Stop;
pub use store::{
    BlobId, CommitRequest, Idle, ImageStore, PROVIDED, Partial, Pin, PulledImage, PulledLayer,
    PushedManifest, UsedBy, Variant, Variants,
};
