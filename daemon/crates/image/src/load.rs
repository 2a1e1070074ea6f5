//! `load`: images from a docker-archive or an OCI layout.

use gantry_ids::{ImageId, ImageRef};

/// What happens while an archive is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadEvent {
    /// A layer is being read.
    Layer {
        /// The first 12 digits of its diff id.
        id: String,
        /// Bytes read so far.
        current_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// A name now means the new image and no longer the old one.
    Renamed {
        /// The name.
        reference: ImageRef,
        /// The image that lost it.
        old: ImageId,
    },
}

/// One image that was loaded, under one name or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The image.
    pub id: ImageId,
    /// Its name.
    pub reference: Option<ImageRef>,
}

impl Loaded {
    /// The line docker prints, without its newline.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.reference {
            Some(reference) => format!("Loaded image: {}", reference.familiar()),
            None => format!("Loaded image ID: {}", self.id),
        }
    }
}
