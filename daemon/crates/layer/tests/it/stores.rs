//! Stores of either form.

use std::path::Path;

use gantry_layer::{Form, LayerOptions, Layers, Limits};

/// What a test that holds for both forms goes through.
pub(crate) const FORMS: [Form; 2] = [Form::Directory, Form::Erofs];

/// A store in `root`, with its mounts there too.
pub(crate) fn store(root: &Path, form: Form, limits: Limits) -> Layers {
    on_kernel(root, form, limits, None)
}

/// The same as it is on a kernel that mounts no EROFS files.
pub(crate) fn on_old_kernel(root: &Path, form: Form) -> Layers {
    on_kernel(root, form, Limits::DEFAULT, Some(false))
}

fn on_kernel(root: &Path, form: Form, limits: Limits, mounts_files: Option<bool>) -> Layers {
    let options = LayerOptions {
        limits,
        form,
        mounts_files,
        mounts: root.join("mounts"),
    };
    Layers::open(root, options).unwrap()
}
