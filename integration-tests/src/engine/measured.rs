//! An engine whose speed is measured.

use std::process::Command;

use rustix::mount::{MountFlags, mount};

use super::{Engine, Kind, run};

/// As much as such a disk may come to hold, bytes; it takes no more room than is used.
const DISK_BYTES: u64 = 16 << 30;

impl Engine {
    /// Starts an engine of that kind whose run state lies on a tmpfs, as it does on any machine; the
    /// tests' folders may lie on a disk.
    ///
    /// # Panics
    /// As `start`, and when there is no tmpfs to be had.
    #[must_use]
    pub fn measured(kind: Kind) -> Self {
        let engine = Self::prepare(kind, &[]);
        engine.with_run_state()
    }

    /// The same with a file system of its own for what must last: ext4 with a journal, as on most
    /// machines. Without a journal it looks past each inode that went in the last minutes whenever a
    /// file is made, so that whoever follows another's cleaning up is slow.
    ///
    /// # Panics
    /// As `measured`, and when there is no such file system to be had.
    #[must_use]
    pub fn measured_on_a_disk(kind: Kind) -> Self {
        let engine = Self::prepare(kind, &[]);
        let (disk, root) = (engine.dir().join("disk"), engine.data_root());
        let file = std::fs::File::create(&disk).expect("a file");
        file.set_len(DISK_BYTES).expect("a long file");
        std::fs::create_dir(&root).expect("a folder");
        run(Command::new("mkfs.ext4").arg("-q").arg(&disk));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .args([&disk, &root]));
        engine.with_run_state()
    }

    fn with_run_state(self) -> Self {
        std::fs::create_dir_all(self.exec_root()).expect("a folder");
        mount(
            "tmpfs",
            self.exec_root(),
            "tmpfs",
            MountFlags::empty(),
            Some(c"mode=0711"),
        )
        .expect("a tmpfs");
        self.with_image()
    }
}
