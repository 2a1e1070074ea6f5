//! What only `ADD` does: addresses.

use gantry_dockerfile::TransferStep;

use crate::fault::Fault;

const REMOTE: [&str; 5] = ["http://", "https://", "git://", "ssh://", "git@"];

/// Whether a source is an address.
pub(crate) fn is_remote(source: &str) -> bool {
    REMOTE.iter().any(|start| source.starts_with(start))
}

/// Refuses what cannot be fetched yet, before anything is done.
pub(crate) fn refuse(step: &TransferStep) -> Result<(), Fault> {
    if step.is_add && step.sources.iter().any(|source| is_remote(source)) {
        return Err(Fault::NotBuilt("ADD of an address"));
    }
    Ok(())
}
