//! Where an engine's control groups lie.

use super::Engine;

impl Engine {
    /// The control group that all others of the engine lie beneath.
    #[must_use]
    pub fn cgroup_parent(&self) -> String {
        format!("/{}", self.name)
    }
}
