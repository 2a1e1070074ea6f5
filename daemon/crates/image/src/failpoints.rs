//! The named instants at which a crash test stops the engine in the middle of a change to images.

/// The layers are in their store, the images are not recorded.
pub(crate) const LAYERS_PLACED: &str = "image.layers.placed";
/// Images and names are recorded, nobody was told.
pub(crate) const RECORDED: &str = "image.recorded";
