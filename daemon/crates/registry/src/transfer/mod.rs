//! Images between registries and the store.
//!
//! [`Transfers`] pulls and pushes. It tells how far it is by [`Event`]s and leaves their wording to
//! the edge. Dropping a pull's or push's future calls it off: nothing of it becomes visible, and
//! what was received stays as partial files.

mod arrival;
mod attached;
mod describe;
mod download;
mod error;
mod event;
mod job;
mod layer;
mod pinned;
mod pull;
mod push;
mod push_index;
mod push_layer;
mod push_list;
mod resolve;
mod watch;
mod written;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use gantry_ids::Digest;
use gantry_image::{ImageStore, Packing};
use tokio::sync::Semaphore;

pub use describe::{Described, RegistryDocument};
pub use error::TransferError;
pub use event::{Event, Events, LayerEvent};
pub use pull::{PullRequest, Pulled};
pub use push::{PushRequest, Pushed};
pub use push_list::{ListPart, PushedList};

use crate::client::Registries;
use job::Job;

/// How much may go on at once, and what layers become that are made for a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferLimits {
    /// `--max-concurrent-downloads`.
    pub downloads: usize,
    /// `--max-concurrent-uploads`.
    pub uploads: usize,
    /// `--max-download-attempts`.
    pub attempts: u32,
    /// `--push-compression`: of layers that nobody has as a blob, where a push asks for nothing else.
    pub packing: Packing,
}

impl Default for TransferLimits {
    /// Docker's defaults.
    fn default() -> Self {
        Self {
            downloads: 3,
            uploads: 5,
            attempts: crate::retry::ATTEMPTS,
            packing: Packing::DEFAULT,
        }
    }
}

/// Pulls and pushes images. Shared by reference.
#[derive(Debug)]
pub struct Transfers {
    registries: Arc<Registries>,
    images: Arc<ImageStore>,
    /// Layers that are being downloaded, by digest.
    jobs: Mutex<HashMap<Digest, Weak<Job>>>,
    downloads: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    attempts: u32,
    packing: Packing,
}

impl Transfers {
    /// Transfers between these registries and this store.
    #[must_use]
    pub fn new(
        registries: Arc<Registries>,
        images: Arc<ImageStore>,
        limits: TransferLimits,
    ) -> Self {
        Self {
            registries,
            images,
            jobs: Mutex::default(),
            downloads: Arc::new(Semaphore::new(limits.downloads.max(1))),
            uploads: Arc::new(Semaphore::new(limits.uploads.max(1))),
            attempts: limits.attempts.max(1),
            packing: limits.packing,
        }
    }

    /// The registries.
    #[must_use]
    pub const fn registries(&self) -> &Arc<Registries> {
        &self.registries
    }
}
