//! Stores of either form.

use std::path::Path;

use gantry_layer::{Form, LayerOptions, Layers, Limits};

/// What a test that holds for both forms goes through.
pub(crate) const FORMS: [Form; 2] = [Form::Directory, Form::Erofs];

/// A store in `root`, with its mounts there too.
pub(crate) fn store(root: &Path, form: Form, limits: Limits) -> Layers {
    let options = LayerOptions {
        limits,
        form,
        mounts: root.join("mounts"),
    };
    Layers::open(root, options).unwrap()
}
