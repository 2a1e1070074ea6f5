//! Room in memory for what steps write and clients send until it is kept elsewhere.
//!
//! A small tree of files is made, read and removed many times as fast in memory as on a disk. Each
//! room is a file system of its own with a limit (`tmpfs(5)`), gone as a whole when it is unmounted;
//! all rooms of an engine together have a limit too. Whoever gets none goes to the disk.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::XattrFlags;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};

/// What all rooms may take, bytes.
const ALL_BYTES_MAX: u64 = 256 << 20;

/// What a room takes that has nothing in it, bytes.
const EMPTY_BYTES: u64 = 2 << 20;

/// What an entry takes beside its contents, bytes: an inode, a name, attributes.
const ENTRY_BYTES: u64 = 2 << 10;

/// Entries beside those that are counted: directories above them, and those of an overlay.
const MORE_ENTRIES: u64 = 1024;

/// Contents take whole pages, bytes.
const PAGE_BYTES: u64 = 4 << 10;

/// How large a tree is, in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    entries: u64,
    bytes: u64,
}

impl Extent {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: 0,
            bytes: 0,
        }
    }

    /// So many entries with so many bytes of contents in all, counted in pages.
    #[must_use]
    pub const fn of(entries: u64, bytes: u64) -> Self {
        Self { entries, bytes }
    }

    /// An entry with so many bytes of contents more.
    pub const fn add(&mut self, content_bytes: u64) {
        self.entries = self.entries.saturating_add(1);
        let pages = content_bytes.div_ceil(PAGE_BYTES);
        self.bytes = self.bytes.saturating_add(pages.saturating_mul(PAGE_BYTES));
    }

    const fn room_bytes(self) -> u64 {
        let entries = self.entries.saturating_mul(ENTRY_BYTES);
        EMPTY_BYTES
            .saturating_add(entries)
            .saturating_add(self.bytes)
    }
}

/// The memory that rooms of an engine share.
#[derive(Debug)]
pub struct Memory {
    left_bytes: Mutex<u64>,
}

/// A file system in memory that nobody sees yet, and the right to what it takes.
#[derive(Debug)]
pub struct Room {
    mount: OwnedFd,
    share: Share,
}

/// A part of the memory, given back when it is dropped.
#[derive(Debug)]
struct Share {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            left_bytes: Mutex::new(ALL_BYTES_MAX),
        }
    }
}

impl Memory {
    /// A room for a tree; none if there is no memory for it now, or the kernel has no such file
    /// system that keeps all of a file.
    #[must_use]
    pub fn room(self: &Arc<Self>, extent: Extent) -> Option<Room> {
        let bytes = extent.room_bytes();
        // A machine that is short of memory has better uses for it.
        if bytes > available_bytes()? / 4 {
            return None;
        }
        let share = self.share(bytes)?;
        match mount(bytes, extent.entries) {
            Ok(mount) => Some(Room { mount, share }),
            Err(error) => {
                tracing::debug!(%error, "no room in memory");
                None
            }
        }
    }

    fn share(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        let mut left = self.lock();
        *left = left.checked_sub(bytes)?;
        Some(Share {
            memory: Arc::clone(self),
            bytes,
        })
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.left_bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    fn keep(&mut self, bytes: u64) {
        *self.memory.lock() += self.bytes - bytes;
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        *self.memory.lock() += self.bytes;
    }
}

/// A room that is seen at a directory; dropped, the directory is gone, and the room once nobody has
/// anything of it open.
#[derive(Debug)]
pub struct Attached {
    /// None only while it is dropped.
    room: Option<Room>,
    at: PathBuf,
}

impl Attached {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// See [`Room::settle`].
    pub fn settle(&mut self) {
        if let Some(room) = &mut self.room {
            room.settle();
        }
    }

    /// Takes the directory away, but not what it shows.
    #[must_use]
    pub fn detach(mut self) -> Option<Room> {
        self.leave();
        self.room.take()
    }

    fn leave(&self) {
        let left = unmount(&self.at, UnmountFlags::DETACH).map_err(io::Error::from);
        if let Err(error) = left.and_then(|()| fs::remove_dir(&self.at)) {
            tracing::warn!(path = %self.at.display(), %error, "memory of a build is left");
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.room.is_some() {
            self.leave();
        }
    }
}

impl Room {
    /// Makes it seen at a new directory.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn attach(self, at: PathBuf) -> io::Result<Attached> {
        fs::create_dir(&at)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        if let Err(error) = move_mount(&self.mount, "", rustix::fs::CWD, &at, flags) {
            fs::remove_dir(&at)?;
            return Err(error.into());
        }
        let room = Some(self);
        Ok(Attached { room, at })
    }

    /// The mount, to be attached by `move_mount(2)`.
    #[must_use]
    pub const fn mount(&self) -> &OwnedFd {
        &self.mount
    }

    /// Nothing more will be written: gives back what was not needed.
    pub fn settle(&mut self) {
        if let Ok(stat) = rustix::fs::fstatvfs(&self.mount) {
            let pages = (stat.f_blocks - stat.f_bfree).saturating_mul(stat.f_frsize);
            let entries = stat.f_files - stat.f_ffree;
            self.share.keep(
                Extent::of(entries, pages)
                    .room_bytes()
                    .min(self.share.bytes),
            );
        }
    }
}

/// A file system in memory for so many bytes and entries, mounted nowhere.
fn mount(bytes: u64, entries: u64) -> io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    fsconfig_set_string(context, "size", bytes.to_string())?;
    fsconfig_set_string(context, "nr_inodes", (entries + MORE_ENTRIES).to_string())?;
    // As directories are made; what is above it keeps others out.
    fsconfig_set_string(context, "mode", "0755")?;
    fsconfig_create(context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let mount = fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    // Attributes of users came with Linux 6.6.
    let root = rustix::fs::openat(
        &mount,
        ".",
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    let name = "user.gantry.probe";
    rustix::fs::fsetxattr(&root, name, b"1", XattrFlags::empty())?;
    rustix::fs::fremovexattr(&root, name)?;
    Ok(mount)
}

/// What the machine could give without swapping, bytes (`proc_meminfo(5)`).
fn available_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    fn extent(files: u64, bytes: u64) -> Extent {
        let mut extent = Extent::default();
        (0..files).for_each(|_| extent.add(bytes));
        extent
    }

    #[test]
    fn rooms_share_a_limit_and_give_it_back() {
        let memory = Arc::new(Memory::default());
        assert!(memory.room(extent(1, ALL_BYTES_MAX)).is_none());
        let all = memory.share(ALL_BYTES_MAX).unwrap();
        assert!(memory.room(extent(1, 1)).is_none());
        drop(all);
        let room = memory.room(extent(1, 1)).expect("a room");
        drop(room);
        let mut room = memory.room(extent(1000, 50_000)).expect("a room");
        let left = *memory.lock();
        room.settle();
        assert!(*memory.lock() > left);
        drop(room);
        assert_eq!(*memory.lock(), ALL_BYTES_MAX);
    }

    #[test]
    fn a_room_has_the_room_it_says_and_no_more() {
        let memory = Arc::new(Memory::default());
        let room = memory.room(extent(200, 10)).expect("a room");
        let path = format!("/proc/self/fd/{}", room.mount().as_raw_fd());
        for number in 0..200 {
            fs::write(format!("{path}/{number}"), "0123456789").unwrap();
        }
        let mut file = fs::File::create(format!("{path}/large")).unwrap();
        assert!(file.write_all(&vec![1; 8 << 20]).is_err());
        let mut more = 0..2 * MORE_ENTRIES;
        assert!(more.any(|number| fs::write(format!("{path}/m{number}"), "").is_err()));
    }
}
