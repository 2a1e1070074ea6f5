//! The docker-archive format: `manifest.json` names configurations, layers and tags. What older
//! dockers wrote beside it (`repositories`, `<id>/json`, `<id>/VERSION`) is not needed.

use gantry_ids::ImageRef;
use serde::Deserialize;

use super::{Archive, Found};
use crate::{ImageConfig, ImageError};

/// One image of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// The images of a docker-archive.
pub(super) fn images<S>(archive: &Archive<S>) -> Result<Vec<Found>, ImageError> {
    let items: Vec<Item> = archive.json("manifest.json")?;
    items.into_iter().map(|item| image(archive, item)).collect()
}

fn image<S>(archive: &Archive<S>, item: Item) -> Result<Found, ImageError> {
    let config = ImageConfig::parse(archive.small(&item.config)?)?;
    let tags = item.repo_tags.unwrap_or_default();
    let names = tags.iter().map(|tag| name(tag)).collect::<Result<_, _>>()?;
    Ok(Found {
        config,
        layers: item.layers.unwrap_or_default(),
        names,
        manifest: None,
        index: None,
        attached: Vec::new(),
    })
}

/// A tag of `manifest.json`, which must be a name with a tag.
fn name(tag: &str) -> Result<ImageRef, ImageError> {
    let reference: ImageRef = tag.parse()?;
    if reference.tag().is_none() || reference.digest().is_some() {
        return Err(ImageError::Archive(format!("invalid tag {tag:?}")));
    }
    Ok(reference)
}
