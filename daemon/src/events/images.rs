//! The events of images that go.

use std::collections::{BTreeMap, HashMap};

use gantry_ids::ImageId;
use gantry_image::{ImageStore, Removed};

use super::{EventBus, EventKind};

/// The labels of images, by the image.
pub type Labels = HashMap<ImageId, BTreeMap<String, String>>;

/// The labels of all images, for the events of those that are gone then.
#[must_use]
pub fn labels(images: &ImageStore) -> Labels {
    let images = images.list();
    images
        .iter()
        .map(|image| (image.id, image.config.run().labels.clone()))
        .collect()
}

/// Tells what was removed. As in dockerd, losing a name is told with the image's labels, and the image's
/// end without.
pub fn removed(events: &EventBus, removed: &[Removed], labels: &Labels) {
    for removed in removed {
        let (action, image, labels) = match removed {
            Removed::Untagged { image, .. } => ("untag", image, labels.get(image).cloned()),
            Removed::Image(id) => ("delete", id, None),
            Removed::Layer(_) => continue,
        };
        let name = ("name".to_owned(), image.to_string());
        let attributes = labels.unwrap_or_default().into_iter().chain([name]);
        events.publish(EventKind::Image, action, &image.to_string(), attributes);
    }
}
