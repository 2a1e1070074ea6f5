//! Events a shim could not deliver before it died.
//!
//! A shim spools what its supervisor does not take into `events/` of its bundle, one file an event,
//! named by a number that grows, holding an encoded Envelope (`docs/protocols/shim.md`). A living shim
//! delivers them itself.

use std::path::Path;

use gantry_proto::containerd::types::Envelope;
use prost::Message;

use super::Bundle;
use crate::event::{Event, from_envelope};

/// The events in the spool, in order. What cannot be read is logged and skipped.
pub(crate) fn drain(bundle: &Bundle) -> Vec<Event> {
    let directory = bundle.path().join("events");
    let Ok(entries) = std::fs::read_dir(&directory) else {
        return Vec::new();
    };
    let mut files: Vec<(u64, std::path::PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, path))
        })
        .collect();
    files.sort();
    files.iter().filter_map(|(_, path)| read(path)).collect()
}

fn read(path: &Path) -> Option<Event> {
    let bytes = std::fs::read(path).ok()?;
    let event = Envelope::decode(bytes.as_slice())
        .ok()
        .and_then(|e| from_envelope(e).ok());
    if event.is_none() {
        tracing::warn!(path = %path.display(), "a spooled event is damaged");
    }
    event
}
