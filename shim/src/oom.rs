//! Kills for lack of memory, told by the kernel: an eventfd on `memory.oom_control` (cgroup v1,
//! kernel doc cgroup-v1/memcg_test and memory, §10), a priority event on `memory.events` (v2,
//! cgroup-v2, "memory.events"). Nothing is polled by time and no inotify instance is used.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use gantry_cgroup::Cgroup;
use rustix::event::EventfdFlags;
use tokio::io::Interest;

use crate::watched::{watch, watch_for};

/// How many kills have been told of.
#[derive(Debug, Default)]
pub(crate) struct OomCount {
    told: AtomicU64,
}

impl OomCount {
    /// Whether `kills`, as the group counts them now, are more than were told of; they are told of
    /// from now on.
    pub(crate) fn new_kills(&self, kills: u64) -> bool {
        self.told.fetch_max(kills, Ordering::Relaxed) < kills
    }
}

/// Calls `changed` whenever something may have been killed in `cgroup`, until the group goes.
///
/// # Errors
/// The group cannot be watched, or there is no memory controller.
pub(crate) async fn watch_kills(cgroup: &Cgroup, changed: impl Fn()) -> io::Result<()> {
    let folder = cgroup.directory("memory").ok_or(io::ErrorKind::NotFound)?;
    if cgroup.is_v2() {
        follow_v2(folder, changed).await
    } else {
        follow_v1(folder, changed).await
    }
}

async fn follow_v1(folder: &Path, changed: impl Fn()) -> io::Result<()> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    let event: OwnedFd = rustix::event::eventfd(0, flags)?;
    let control = File::open(folder.join("memory.oom_control"))?;
    let request = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    std::fs::write(folder.join("cgroup.event_control"), request)?;
    let event = watch(event)?;
    loop {
        let mut guard = event.readable().await?;
        let mut count = [0; 8];
        let read = |fd: &tokio::io::unix::AsyncFd<OwnedFd>| {
            rustix::io::read(fd, &mut count).map_err(io::Error::from)
        };
        if let Ok(result) = guard.try_io(read) {
            result?;
            // The group's removal rings too.
            if !folder.exists() {
                return Ok(());
            }
            changed();
        }
    }
}

async fn follow_v2(folder: &Path, changed: impl Fn()) -> io::Result<()> {
    let events = watch_for(
        File::open(folder.join("memory.events"))?,
        Interest::PRIORITY,
    )?;
    loop {
        let mut guard = events.ready(Interest::PRIORITY).await?;
        guard.clear_ready();
        if !folder.exists() {
            return Ok(());
        }
        changed();
        // Reading is what makes the kernel ring again at the next change.
        let mut text = [0; 512];
        rustix::io::pread(events.get_ref(), &mut text, 0)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kill_is_told_of_once() {
        let count = OomCount::default();
        assert!(!count.new_kills(0));
        assert!(count.new_kills(2));
        assert!(!count.new_kills(2));
        assert!(count.new_kills(3));
    }
}
