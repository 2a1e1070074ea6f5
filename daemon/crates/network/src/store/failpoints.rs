//! The named instants at which a crash test stops the engine in the middle of a change to networks.

/// The definition is written, nobody was told.
pub(super) const RECORDED: &str = "network.recorded";
/// The definition is gone, nobody was told.
pub(super) const DELETED: &str = "network.deleted";
