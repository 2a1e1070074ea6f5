//! An engine whose speed is measured.

use rustix::mount::{MountFlags, mount};

use super::{Engine, Kind};

impl Engine {
    /// Starts an engine of that kind whose run state lies on a tmpfs, as it does on any machine; the
    /// tests' folders may lie on a disk.
    ///
    /// # Panics
    /// As `start`, and when there is no tmpfs to be had.
    #[must_use]
    pub fn measured(kind: Kind) -> Self {
        let engine = Self::prepare(kind, &[]);
        std::fs::create_dir_all(engine.exec_root()).expect("a folder");
        mount(
            "tmpfs",
            engine.exec_root(),
            "tmpfs",
            MountFlags::empty(),
            Some(c"mode=0711"),
        )
        .expect("a tmpfs");
        engine.with_image()
    }
}
