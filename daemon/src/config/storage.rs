//! How images are stored, and when what nobody uses goes: `--storage-driver`, `--storage-opt`, `--gc-*`.

use std::time::Duration;

use gantry_layer::Form;

use super::ConfigError;
use super::build::invalid;
use super::merge::Values;

/// `--storage-opt`, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageOptions {
    /// `layers=`: the form of new layers. EROFS where it is not said and the kernel has it (ADR 41).
    pub layers: Form,
}

/// When what nobody uses goes by itself: `--gc-*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Fuller than so many percent, the data root's file system is emptied; 0: never.
    pub high: u8,
    /// Down to so many percent.
    pub low: u8,
    /// What was used more recently stays.
    pub age: Duration,
    /// Whether images go too, not only caches and what is left over.
    pub images: bool,
    /// Images that stay whatever happens: patterns of references, as `images --filter reference=` takes
    /// them.
    pub keep: Vec<String>,
}

/// Where collection begins and where it ends, in percent, unless it is said.
const HIGH: u8 = 90;
const LOW: u8 = 80;
/// How long something must have been unused, unless it is said.
const AGE: Duration = Duration::from_secs(48 * 3600);

pub(super) fn collection(values: &Values) -> Result<Collection, ConfigError> {
    let percent = |name: &str, default: u8| match values.number(name) {
        None => Ok(default),
        Some(number) => u8::try_from(number)
            .ok()
            .filter(|percent| *percent <= 100)
            .ok_or_else(|| invalid(name, format!("{number}: expected a percentage"))),
    };
    let high = percent("gc-high", HIGH)?;
    let low = percent("gc-low", LOW.min(high))?;
    if low > high {
        return Err(invalid("gc-low", format!("{low} is above gc-high, {high}")));
    }
    let age = match values.text("gc-age") {
        None => AGE,
        Some(text) => text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|age| Duration::try_from(age).ok())
            .ok_or_else(|| invalid("gc-age", format!("\"{text}\": expected a time such as 48h")))?,
    };
    Ok(Collection {
        high,
        low,
        age,
        images: values.switch("gc-images", false),
        keep: values.list("gc-keep"),
    })
}

pub(super) fn storage(values: &Values) -> Result<StorageOptions, ConfigError> {
    let mut options = StorageOptions {
        layers: Form::Erofs,
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
