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

/// Reads an image's name; docker's words if it is none.
pub(crate) fn parse(name: &str) -> Result<ImageRef> {
    match name.parse::<ImageRef>() {
        Ok(reference) => Ok(reference),
        Err(error) => {
            bail!("Error parsing reference: \"{name}\" is not a valid repository/tag: {error}")
        }
    }
}
