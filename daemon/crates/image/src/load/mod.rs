//! `load`: images from a docker-archive or an OCI layout.
//!
//! An archive is read once, front to back, as it arrives: layers are unpacked out of sight while
//! they stream by, small files are kept in memory, and what is an image is decided when the archive
//! has ended, because `manifest.json` and `index.json` usually come last. Nothing is visible before
//! everything was verified.

mod docker;
mod oci;
mod scan;

use std::sync::Arc;

use gantry_ids::{ImageId, ImageRef, Platform};

pub(crate) use scan::{Archive, Blob, KnownBlob, LayerSink, read};

use crate::store::ManifestRecord;
use crate::{ImageConfig, ImageError};

/// What happens while an archive is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadEvent {
    /// A layer is being read.
    Layer {
        /// 12 digits that tell layers apart: of the digest, where the archive names it by one.
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

/// An image that an archive has, with the paths of its layers in the archive, the lowest first.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) config: ImageConfig,
    pub(crate) layers: Vec<String>,
    pub(crate) names: Vec<ImageRef>,
    pub(crate) manifest: Option<(ManifestRecord, Box<[u8]>)>,
    /// The index it is one platform of.
    pub(crate) index: Option<Arc<[u8]>>,
    /// What attests to it, as it came.
    pub(crate) attached: Vec<Box<[u8]>>,
}

impl Found {
    pub(crate) fn attached(&self) -> impl Iterator<Item = &[u8]> {
        self.attached.iter().map(|bytes| &bytes[..])
    }
}

/// Which images an archive has: of all platforms, or the one that is asked for.
///
/// # Errors
/// [`ImageError`] for an archive that is neither format, or not sound.
pub(crate) fn images<S>(
    archive: &Archive<S>,
    platform: Option<&Platform>,
) -> Result<Vec<Found>, ImageError> {
    // A docker-archive knows one platform of an image; the layout beside it may know more.
    let is_docker = archive.has("manifest.json") && !oci::has_indexes(archive);
    let mut found = if is_docker {
        docker::images(archive)?
    } else if archive.has("index.json") {
        oci::images(archive)?
    } else {
        let what = "neither manifest.json (docker-archive) nor index.json (OCI layout) is in it";
        return Err(ImageError::Archive(what.to_owned()));
    };
    for image in &found {
        check(image)?;
    }
    if let Some(wanted) = platform {
        found.retain(|image| wanted.fit(&image.config.platform()).is_some());
        if found.is_empty() {
            return Err(ImageError::NotInArchive(wanted.clone()));
        }
    }
    Ok(found)
}

/// What must hold for an image of any format.
fn check(image: &Found) -> Result<(), ImageError> {
    let file = image.config.file();
    if !matches!(file.os.as_str(), "linux" | "") {
        return Err(ImageError::OperatingSystem(file.os.clone()));
    }
    let (want, have) = (file.rootfs.diff_ids.len(), image.layers.len());
    if want != have {
        return Err(ImageError::Archive(format!(
            "layers length mismatch: expected {want}, got {have}"
        )));
    }
    if have > LAYERS_MAX {
        return Err(ImageError::Archive(format!(
            "max depth exceeded: {have} layers are more than {LAYERS_MAX}"
        )));
    }
    Ok(())
}

/// Docker's limit (`maxLayerDepth`); overlay itself takes 500.
const LAYERS_MAX: usize = 125;
