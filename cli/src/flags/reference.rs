//! Image names as users write them.

use anyhow::{Result, bail};
use gantry_ids::ImageRef;

/// The repository and the tag that `/images/create`, `/tag` and `/commit` take.
pub(crate) fn split_familiar(name: &str) -> Result<(String, String)> {
    let reference = parse(name)?;
    if reference.digest().is_some() {
        bail!("refusing to create a tag with a digest reference");
    }
    Ok((
        reference.familiar_name(),
        reference.tag().unwrap_or("latest").to_owned(),
    ))
}

/// Reads an image's name.
pub(crate) fn parse(name: &str) -> Result<ImageRef> {
    Ok(name.parse::<ImageRef>()?)
}
