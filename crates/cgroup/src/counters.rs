//! A group's counters, read from the files of whichever version the machine has.

use crate::{Cgroup, CgroupError, Stats, group::Directories, stats_v1, stats_v2};

impl Cgroup {
    /// Reads all counters. A controller that is not there leaves its part at zero.
    ///
    /// # Errors
    /// [`CgroupError::Read`] when the group is gone, [`CgroupError::Content`] for a file in an
    /// unknown form.
    pub fn stats(&self) -> Result<Stats, CgroupError> {
        match self.directories() {
            Directories::V1(directories) => stats_v1::read(directories),
            Directories::V2 { path, .. } => stats_v2::read(path),
        }
    }

    /// How often the kernel killed a process of this group for lack of memory: one small read, fit
    /// for polling.
    ///
    /// # Errors
    /// As for [`Cgroup::stats`].
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        match self.directories() {
            Directories::V1(directories) => stats_v1::oom_kills(directories),
            Directories::V2 { path, .. } => stats_v2::oom_kills(path),
        }
    }
}
