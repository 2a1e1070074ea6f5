//! Names: giving and moving them.

use std::time::{SystemTime, UNIX_EPOCH};

use gantry_ids::{ImageId, ImageRef};
use gantry_layer::LayerStore;

use super::{Change, ImageStore};
use crate::ImageError;

impl<L: LayerStore> ImageStore<L> {
    /// Lets `reference` mean `image` (tag `latest` if it has none). Answers the image that lost it.
    ///
    /// # Errors
    /// [`ImageError::TagWithDigest`], [`ImageError::TagNamedAsDigest`], [`ImageError::NoSuchImage`],
    /// [`ImageError::Metadata`].
    pub fn tag(
        &self,
        image: &ImageId,
        reference: &ImageRef,
    ) -> Result<Option<ImageId>, ImageError> {
        let _writer = self.write_lock();
        let (changes, old) = self.tag_changes(image, reference)?;
        self.change(changes)?;
        Ok(old)
    }

    /// What [`Self::tag`] changes, and the image that loses the name.
    pub(crate) fn tag_changes(
        &self,
        image: &ImageId,
        reference: &ImageRef,
    ) -> Result<(Vec<Change>, Option<ImageId>), ImageError> {
        let reference = taggable(reference)?;
        let index = self.index();
        let record = index.record(image);
        let mut record = record
            .ok_or_else(|| ImageError::NoSuchImage(image.to_string()))?
            .clone();
        record.last_tagged_ns = Some(now_ns());
        let old = index.referenced(&reference).filter(|old| old != image);
        let changes = vec![
            Change::SetRecord { id: *image, record },
            Change::SetReference {
                reference,
                image: *image,
            },
        ];
        Ok((changes, old))
    }
}

/// A reference that a tag can be made of, with its tag.
pub(crate) fn taggable(reference: &ImageRef) -> Result<ImageRef, ImageError> {
    if reference.digest().is_some() {
        return Err(ImageError::TagWithDigest);
    }
    if reference.familiar_name() == "sha256" {
        return Err(ImageError::TagNamedAsDigest);
    }
    Ok(reference.clone().with_default_tag())
}

pub(crate) fn now_ns() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}
