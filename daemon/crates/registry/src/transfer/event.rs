//! What pulls and pushes tell while they work.

use gantry_ids::Digest;
use tokio::sync::mpsc;

/// Where events go. A slow listener slows the transfer down.
pub type Events = mpsc::Sender<Event>;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An image is being pulled from the repository `path` by this tag or digest.
    Pulling {
        /// The tag or digest.
        tag: String,
        /// The repository's path at the registry.
        path: String,
    },
    /// A push to `domain/path` began.
    Pushing {
        /// The repository's familiar name, always with its domain.
        repository: String,
    },
    /// Something about a layer.
    Layer {
        /// 12 digits that tell it from others.
        id: String,
        /// What.
        what: LayerEvent,
    },
    /// The manifest that was pulled.
    Digest(Digest),
    /// A pull ended.
    Status {
        /// Whether anything was new.
        is_new: bool,
        /// The reference as people write it.
        reference: String,
    },
    /// The image is for another platform than was asked for.
    WrongPlatform {
        /// The reference as people write it.
        reference: String,
        /// The image's.
        has: String,
        /// What was asked for.
        wanted: String,
    },
    /// So many attestations were left out: what they attest to became another manifest.
    NotAttested(usize),
    /// A tag was pushed.
    Pushed {
        /// The tag.
        tag: String,
        /// The manifest.
        digest: Digest,
        /// Its length.
        size_bytes: u64,
    },
}

/// What happens to a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerEvent {
    /// It will be downloaded.
    Pulling,
    /// It waits for others.
    Waiting,
    /// It is here already.
    Exists,
    /// So much of so much is here.
    Downloading(u64, u64),
    /// The next attempt is in so many seconds.
    Retrying(u64),
    /// Its digest is compared.
    Verifying,
    /// All of it is here and its digest is right.
    Downloaded,
    /// So much of so much is unpacked.
    Extracting(u64, u64),
    /// It is unpacked.
    Complete,
    /// It will be pushed.
    Preparing,
    /// The registry has it.
    AlreadyThere,
    /// The registry took it over from another repository.
    Mounted(String),
    /// So much of so much (0: nobody knows) is sent.
    Pushing(u64, u64),
    /// The registry has all of it.
    Pushed,
}
