//! Tells followers that a log has grown: one inotify instance for all of them.
//!
//! A user may have 128 inotify instances and many thousand watches, so that an instance a follower
//! would run out. Directories are watched and not files: a rotation is an event of the directory.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tracing::warn;

type Watches = HashMap<i32, watch::Sender<u64>>;

/// The instance. Must be made inside the async runtime.
#[derive(Debug)]
pub struct LogWatch {
    inotify: AsyncFd<OwnedFd>,
    watches: Mutex<Watches>,
}

/// One follower's share in a watch.
#[derive(Debug)]
pub(super) struct Growth {
    owner: Arc<LogWatch>,
    descriptor: i32,
    changes: watch::Receiver<u64>,
}

impl LogWatch {
    /// Makes the instance and the task that reads it; the task ends with the last reference.
    ///
    /// # Errors
    /// The kernel's, if the user's instances are used up.
    pub fn start() -> io::Result<Arc<Self>> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        #[expect(
            deprecated,
            reason = "an OwnedFd is what the unsafe replacement asks for"
        )]
        let inotify = AsyncFd::new(inotify::init(flags)?)?;
        let watch = Arc::new(Self {
            inotify,
            watches: Mutex::default(),
        });
        tokio::spawn(read_events(Arc::downgrade(&watch)));
        Ok(watch)
    }

    /// Watches a directory.
    pub(super) fn directory(self: &Arc<Self>, path: &Path) -> io::Result<Growth> {
        use inotify::WatchFlags as W;
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let flags = W::MODIFY | W::CREATE | W::MOVED_TO | W::ONLYDIR;
        // The same directory has the same descriptor.
        let descriptor = inotify::add_watch(self.inotify.get_ref(), path, flags)?;
        let changes = watches
            .entry(descriptor)
            .or_insert_with(|| watch::Sender::new(0))
            .subscribe();
        Ok(Growth {
            owner: Arc::clone(self),
            descriptor,
            changes,
        })
    }

    fn notify(&self, descriptor: i32) {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changes) = watches.get(&descriptor) {
            changes.send_modify(|count| *count += 1);
        }
    }

    /// Wakes everyone: events were lost.
    fn notify_all(&self) {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        for changes in watches.values() {
            changes.send_modify(|count| *count += 1);
        }
    }

    /// Reads all events that are there.
    fn drain(&self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        loop {
            let event = events.next()?;
            if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                self.notify_all();
            } else {
                self.notify(event.wd());
            }
        }
    }
}

async fn read_events(watch: Weak<LogWatch>) {
    loop {
        let Some(watch) = watch.upgrade() else { return };
        // Wait a while only, so that the last reference can go.
        let ready = tokio::time::timeout(IDLE, watch.inotify.readable()).await;
        let Ok(ready) = ready else { continue };
        let result = ready.and_then(|mut guard| {
            let drained = watch.drain();
            guard.clear_ready();
            drained
        });
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                warn!(%error, "watch logs");
                watch.notify_all();
                tokio::time::sleep(IDLE).await;
            }
            Ok(()) => {}
        }
    }
}

/// How long the reading task holds the instance without an event.
const IDLE: std::time::Duration = std::time::Duration::from_secs(1);

impl Growth {
    /// Waits for something to happen in the directory.
    pub(super) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        let mut watches = self
            .owner
            .watches
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let last = watches
            .get(&self.descriptor)
            .is_some_and(|w| w.receiver_count() <= 1);
        if last {
            watches.remove(&self.descriptor);
            // Fails if the directory is gone, and its watch with it.
            let _ = inotify::remove_watch(self.owner.inotify.get_ref(), self.descriptor);
        }
    }
}
