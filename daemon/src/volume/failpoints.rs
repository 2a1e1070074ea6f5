//! The named instants at which a crash test stops the engine in the middle of a change to volumes.

/// Record and directory are there, nobody was told.
pub(super) const RECORDED: &str = "volume.recorded";
/// The directory is gone, the record is there.
pub(super) const EMPTIED: &str = "volume.emptied";
