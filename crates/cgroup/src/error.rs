//! What can fail, and on which file.

use std::io;
use std::path::PathBuf;

/// A failed step on a control group.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// Neither version of cgroups is mounted where it always is.
    #[error("no control groups are mounted on /sys/fs/cgroup")]
    NotMounted,
    /// A hierarchy that a limit needs is missing.
    #[error("the {controller} cgroup controller is not available")]
    NoController {
        /// Its name.
        controller: &'static str,
    },
    /// A controller that the group has no directory of its own for.
    #[error("the group has no directory for the controllers {name:?}")]
    NoSuchController {
        /// As given.
        name: String,
    },
    /// A cgroup path that could leave its hierarchy.
    #[error("cgroup path {path:?} must not contain \"..\"")]
    BadPath {
        /// As given.
        path: PathBuf,
    },
    /// A directory could not be made.
    #[error("create cgroup {path}", path = path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory could not be removed.
    #[error("remove cgroup {path}", path = path.display())]
    Remove {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A control file could not be read.
    #[error("read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A control file does not say what the kernel documents.
    #[error("unexpected content in {path}: {content:?}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Its start.
        content: String,
    },
    /// A control file refused a value.
    #[error("write {value:?} to {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was written.
        value: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The memory in use is above the limit asked for.
    #[error("unable to set memory limit to {limit} (current usage: {usage}, peak usage: {peak})")]
    MemoryInUse {
        /// Bytes asked for.
        limit: i64,
        /// Bytes in use.
        usage: u64,
        /// The most there ever were.
        peak: u64,
    },
    /// A key of `unified` that is no file name.
    #[error("unified resource {key:?} must be a file name without slashes")]
    BadUnifiedKey {
        /// As given.
        key: String,
    },
    /// A device filter was refused.
    #[error("device filter on {path}", path = path.display())]
    DeviceFilter {
        /// The cgroup.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Freezing or thawing did not finish in time.
    #[error("cgroup {path} did not become {wanted} in {seconds} s", path = path.display())]
    FreezeTimeout {
        /// The cgroup.
        path: PathBuf,
        /// `FROZEN` or `THAWED`.
        wanted: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Processes that do not die.
    #[error("processes are left in cgroup {path}", path = path.display())]
    NotEmpty {
        /// The cgroup.
        path: PathBuf,
    },
}

impl CgroupError {
    /// The error of the operating system beneath, where there is one.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Create { source, .. }
            | Self::Remove { source, .. }
            | Self::Read { source, .. }
            | Self::Write { source, .. }
            | Self::DeviceFilter { source, .. } => Some(source),
            Self::NotMounted
            | Self::NoController { .. }
            | Self::NoSuchController { .. }
            | Self::BadPath { .. }
            | Self::Content { .. }
            | Self::MemoryInUse { .. }
            | Self::BadUnifiedKey { .. }
            | Self::FreezeTimeout { .. }
            | Self::NotEmpty { .. } => None,
        }
    }
}
