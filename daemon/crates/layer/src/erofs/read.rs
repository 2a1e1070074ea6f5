//! Reading a whole tar into an outline.

use std::io::BufRead;
use std::time::{SystemTime, UNIX_EPOCH};

use super::entries::Applier;
use super::outline::Outline;
use crate::Limits;
use crate::extract::ExtractError;
use crate::extract::error::shown;
use crate::tar::{TarReader, Timestamp};

/// What was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) outline: Outline,
    /// Bytes of content in regular files and of symbolic links' targets.
    pub(crate) content_bytes: u64,
    /// Whether the whole layer hides those beneath it.
    pub(crate) opaque_root: bool,
    /// Whether an index can show it: not where a sparse file's holes do not lie at blocks, or are very
    /// many.
    pub(crate) fits: bool,
}

/// Reads the layer's tar from `source` to its end.
///
/// # Errors
/// [`ExtractError`] for what is no sound layer.
pub(crate) fn read<R: BufRead>(source: R, limits: Limits) -> Result<Read, ExtractError> {
    let mut tar = TarReader::new(source, (), limits);
    let mut applier = Applier::new(now(), limits);
    let mut after = Vec::new();
    loop {
        let entry = tar.next_entry().map_err(|source| ExtractError::Tar {
            after: shown(&after),
            source,
        })?;
        let Some(entry) = entry else { break };
        applier
            .apply(&entry, tar.position())
            .map_err(|source| ExtractError::Entry {
                path: shown(&entry.path),
                source,
            })?;
        after = entry.path;
    }
    Ok(Read {
        outline: applier.outline,
        content_bytes: applier.content_bytes,
        opaque_root: applier.opaque_root,
        fits: applier.fits,
    })
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos(),
    }
}
