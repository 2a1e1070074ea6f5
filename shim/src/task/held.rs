//! Holds a container's mount namespace for a moment longer than its processes.
//!
//! The kernel takes a mount namespace down with its last user, and waits for every processor meanwhile.
//! If that user were the container's first process, its end would be seen only afterwards. So the shim is
//! the last user: it lets go once the end is told, on a thread that may wait.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;
use tokio::task::JoinHandle;

/// See the module.
#[derive(Debug)]
pub(super) struct HeldMounts(Mutex<Hold>);

#[derive(Debug)]
enum Hold {
    Held(File),
    LettingGo(JoinHandle<()>),
    Gone,
}

impl HeldMounts {
    /// Holds the namespace of a process; nothing if that has ended already.
    pub(super) fn of(pid: Pid) -> Self {
        let namespace = File::open(format!("/proc/{}/ns/mnt", pid.as_raw_nonzero()));
        Self(Mutex::new(namespace.map_or(Hold::Gone, Hold::Held)))
    }

    /// Lets it go, without waiting for that.
    pub(super) fn let_go(&self) {
        let mut hold = self.hold();
        *hold = match std::mem::replace(&mut *hold, Hold::Gone) {
            Hold::Held(file) => Hold::LettingGo(tokio::task::spawn_blocking(|| drop(file))),
            other => other,
        };
    }

    /// Lets it go and waits until it is gone, so that nothing of it keeps a file system busy.
    pub(super) async fn gone(&self) {
        self.let_go();
        let hold = std::mem::replace(&mut *self.hold(), Hold::Gone);
        if let Hold::LettingGo(thread) = hold {
            // It cannot fail: all it does is close a file.
            let _ = thread.await;
        }
    }

    fn hold(&self) -> MutexGuard<'_, Hold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
