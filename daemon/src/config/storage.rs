//! How images are stored: `--storage-driver` and `--storage-opt`.

use gantry_layer::Form;

use super::ConfigError;
use super::build::invalid;
use super::merge::Values;

/// `--storage-opt`, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageOptions {
    /// `layers=`: the form of new layers.
    pub layers: Form,
}

pub(super) fn storage(values: &Values) -> Result<StorageOptions, ConfigError> {
    let mut options = StorageOptions {
        layers: Form::Directory,
    };
    for option in values.list("storage-opt") {
        let wrong = |reason: &str| invalid("storage-opt", format!("\"{option}\": {reason}"));
        match option.split_once('=') {
            Some(("layers", "directory")) => options.layers = Form::Directory,
            Some(("layers", "erofs")) => options.layers = Form::Erofs,
            Some(("layers", _)) => return Err(wrong("expected directory or erofs")),
            _ => return Err(wrong("expected layers=directory or layers=erofs")),
        }
    }
    Ok(options)
}
