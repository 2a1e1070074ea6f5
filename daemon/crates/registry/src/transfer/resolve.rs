//! From a reference to one image's manifest and configuration.

use gantry_ids::{Digest, ImageRef, Platform};
use gantry_image::{ChainId, ImageConfig};

use super::error::TransferError;
use super::event::Event;
use super::pull::PullRequest;
use crate::client::{Fetched, Repository};
use crate::manifest::{Descriptor, Document, Index, Manifest, ManifestError};

/// An image's manifest, and the index it was chosen from.
pub(super) struct Resolved {
    /// What the reference stands for: of the index where there is one.
    pub(super) digest: Digest,
    pub(super) manifest: Manifest,
    pub(super) manifest_bytes: Box<[u8]>,
    pub(super) index_bytes: Option<Box<[u8]>>,
    /// The index, and what of it was chosen.
    pub(super) chosen: Option<(Index, Descriptor)>,
}

/// What the registry is asked by.
pub(super) fn tag_of(reference: &ImageRef) -> String {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or("latest").to_owned(),
    }
}

pub(super) fn chains(config: &ImageConfig) -> Vec<ChainId> {
    let mut below = None;
    let diffs = config.file().rootfs.diff_ids.iter();
    diffs
        .map(|diff| {
            let chain = ChainId::on_top(below.as_ref(), diff);
            below = Some(chain);
            chain
        })
        .collect()
}

/// From what a reference stands for to one image.
pub(super) async fn resolve(
    repository: &Repository,
    fetched: Fetched,
    request: &PullRequest,
) -> Result<Resolved, TransferError> {
    let index = match fetched.document {
        Document::Manifest(manifest) => {
            return Ok(Resolved {
                digest: fetched.digest,
                manifest,
                manifest_bytes: fetched.bytes[..].into(),
                index_bytes: None,
                chosen: None,
            });
        }
        Document::Index(index) => index,
    };
    let wanted = request.platform.clone();
    let descriptor = index.choose(&wanted.unwrap_or_else(Platform::of_this_machine))?;
    let descriptor = descriptor.clone();
    let chosen = repository.manifest(&descriptor.digest.to_string()).await?;
    let Document::Manifest(manifest) = chosen.document else {
        return Err(ManifestError::Invalid("an index lies in an index").into());
    };
    Ok(Resolved {
        digest: fetched.digest,
        manifest,
        manifest_bytes: chosen.bytes[..].into(),
        index_bytes: Some(fetched.bytes[..].into()),
        chosen: Some((index, descriptor)),
    })
}

pub(super) async fn configuration(
    repository: &Repository,
    manifest: &Manifest,
) -> Result<ImageConfig, TransferError> {
    let bytes = repository.small_blob(&manifest.config).await?;
    Ok(ImageConfig::parse(&bytes)?)
}

pub(super) fn check(
    config: &ImageConfig,
    manifest: &Manifest,
    request: &PullRequest,
) -> Result<(), TransferError> {
    let file = config.file();
    let (layers, diffs) = (manifest.layers.len(), file.rootfs.diff_ids.len());
    if layers != diffs {
        return Err(TransferError::Layers { layers, diffs });
    }
    let wanted = request
        .platform
        .as_ref()
        .map_or("linux", |wanted| &wanted.os);
    if !matches!(file.os.as_str(), "linux" | "") || wanted != "linux" {
        return Err(TransferError::OperatingSystem(file.os.clone()));
    }
    Ok(())
}

/// An image without an index is pulled for whatever platform it is, and said to be so.
pub(super) fn wrong_platform(config: &ImageConfig, request: &PullRequest) -> Option<Event> {
    let wanted = request.platform.as_ref()?;
    let file = config.file();
    let has = Platform {
        os: "linux".to_owned(),
        architecture: file.architecture.clone(),
        variant: file.variant.clone(),
    };
    wanted.fit(&has).is_none().then(|| Event::WrongPlatform {
        reference: request.reference.familiar(),
        has: has.to_string(),
        wanted: wanted.to_string(),
    })
}
