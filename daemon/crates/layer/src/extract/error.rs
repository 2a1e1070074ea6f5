//! Why a layer could not be applied.

use std::io;

use crate::tar::TarError;

/// Why a layer could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The tar itself is at fault.
    #[error("layer, after entry {after:?}")]
    Tar {
        /// The last entry that was well-formed; empty if none was.
        after: String,
        /// What is wrong.
        #[source]
        source: TarError,
    },
    /// One entry is at fault, or could not be made.
    #[error("layer entry {path:?}")]
    Entry {
        /// Its name as it stands in the tar, shortened.
        path: String,
        /// What is wrong.
        #[source]
        source: EntryError,
    },
    /// The layer's own files could not be made or finished.
    #[error("layer: {step}")]
    Layer {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// What is wrong with one entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The path leads out of the layer.
    #[error("breaks out of the layer's root")]
    Escapes,
    /// A link's target leads out of the layer.
    #[error("invalid link: target {0:?} breaks out of the layer's root")]
    LinkEscapes(String),
    /// A hard link to something that did not come before it.
    #[error("hard link to {0:?}, which is not in this layer")]
    NoTarget(String),
    /// A whiteout of nothing.
    #[error("invalid whiteout")]
    Whiteout,
    /// Too much.
    #[error("the {what} is over the limit of {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The kernel refused.
    #[error("{step}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Its content could not be read.
    #[error("read its content")]
    Content(#[source] TarError),
}

/// Names the step that failed.
pub(crate) fn failed<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> EntryError {
    move |source| EntryError::Io {
        step,
        source: source.into(),
    }
}

/// A hostile name, fit for a message.
pub(crate) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    if text.chars().count() <= 200 {
        return text.into_owned();
    }
    text.chars().take(200).chain("…".chars()).collect()
}
