//! A chain of layers that a transfer counts on.

use std::sync::Arc;

use gantry_image::{ImageStore, Pin};

/// Lets a pin go, on a thread, because that may remove layers.
pub(super) struct Pinned {
    images: Arc<ImageStore>,
    pin: Option<Pin>,
}

impl Pinned {
    pub(super) fn new(images: Arc<ImageStore>, pin: Pin) -> Self {
        let pin = Some(pin);
        Self { images, pin }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let (images, pin) = (Arc::clone(&self.images), self.pin.take());
        let unpin = move || pin.map_or((), |pin| images.unpin(pin));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(unpin)),
            Err(_) => unpin(),
        }
    }
}
