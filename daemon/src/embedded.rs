//! What the build has put into the daemon's own file: an image to try things with, and the init.

use std::sync::Arc;

use gantry_image::{ImageError, ImageStore};
use tracing::info;

mod files {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// The embedded image's name.
pub const IMAGE_NAME: &str = "gantry/hello:latest";

/// The init that `--init` puts into containers; none in a daemon built without.
#[must_use]
pub fn init() -> Option<&'static [u8]> {
    Some(files::INIT).filter(|bytes| !bytes.is_empty())
}

/// Loads the embedded image where its name is missing. Blocks.
///
/// # Errors
/// Whatever is wrong with the archive or the store.
pub fn load_image(images: &Arc<ImageStore>) -> Result<(), ImageError> {
    if files::IMAGE.is_empty() || images.find(IMAGE_NAME).is_ok() {
        return Ok(());
    }
    let mut archive = files::IMAGE;
    for loaded in images.load(&mut archive, &mut |_| {})? {
        info!(image.r#ref = IMAGE_NAME, "{}", loaded.message());
    }
    Ok(())
}
