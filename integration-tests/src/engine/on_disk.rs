//! Engines whose data root is a file system of its own: a small one, or one that was kept in a file.

use std::path::Path;
use std::process::Command;

use super::{Engine, Kind, run};

impl Engine {
    /// Starts an engine whose data root is a file system of its own of that size.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn on_small_disk(kind: Kind, size: &str) -> Self {
        Self::on_small_disk_with(kind, size, &[])
    }

    /// The same with further flags of the daemon.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn on_small_disk_with(kind: Kind, size: &str, flags: &[&str]) -> Self {
        let (engine, options) = (Self::prepare(kind, flags), format!("-osize={size}"));
        std::fs::create_dir_all(engine.data_root()).expect("a data root");
        let (root, kind) = (engine.data_root(), ["-ttmpfs", &options, "tmpfs"]);
        run(Command::new("mount").args(kind).arg(root));
        engine.with_image()
    }

    /// Starts an engine whose data root is the file system in a file, with what is there and nothing else.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn on_disk(kind: Kind, file: &Path) -> Self {
        let mut engine = Self::prepare(kind, &[]);
        std::fs::create_dir_all(engine.data_root()).expect("a data root");
        let mut mount = Command::new("mount");
        run(mount.args(["-o", "loop"]).arg(file).arg(engine.data_root()));
        engine.start_daemon();
        engine
    }
}
