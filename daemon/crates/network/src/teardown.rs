//! The thread that removes kernel objects off the answer's path.
//!
//! Deleting a veth makes the kernel wait for every CPU to pass a quiet point (about 18 ms); deleting
//! many in one message waits once. So links that are to go were put into a group, jobs are collected for
//! a moment, and the group is deleted. The queue
//! need not be written down: what is left behind by a killed daemon has the engine's name and no
//! record, and is swept at the next start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gantry_netlink::{Socket, route};
use rustix::io::Errno;

use crate::namespace;

/// How long the thread waits for more of the same; small beside the 2 s within which all is gone.
const COLLECT: Duration = Duration::from_millis(20);

/// What one container left.
#[derive(Debug, Default)]
pub(crate) struct Job {
    /// Are there links in the group?
    pub(crate) links: bool,
    pub(crate) namespace: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Open {
    count: Mutex<usize>,
    none: Condvar,
    /// Bind mounts that are to go; locked while one is taken away.
    namespaces: Mutex<BTreeSet<PathBuf>>,
}

impl Open {
    fn namespaces(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, by: impl FnOnce(usize) -> usize) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = by(*count);
        if *count == 0 {
            self.none.notify_all();
        }
    }
}

/// The queue and its thread; dropping it ends the thread when the queue is done.
#[derive(Debug)]
pub(crate) struct Teardown {
    jobs: Option<Sender<Job>>,
    open: Arc<Open>,
    thread: Option<JoinHandle<()>>,
}

impl Teardown {
    /// Starts the thread; `socket` is of the namespace in which the engine lives.
    pub(crate) fn start(socket: Socket, group: u32) -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        let open = Arc::new(Open::default());
        let theirs = Arc::clone(&open);
        let thread = thread::Builder::new()
            .name("net-teardown".to_owned())
            .spawn(move || work(socket, group, &queue, &theirs))?;
        Ok(Self {
            jobs: Some(jobs),
            open,
            thread: Some(thread),
        })
    }

    /// Takes a namespace's path out of the queue, for a container that comes back at once: once this
    /// returns the thread has either removed what was there or leaves the path alone.
    pub(crate) fn reclaim(&self, path: &Path) {
        self.open.namespaces().remove(path);
    }

    pub(crate) fn push(&self, job: Job) {
        self.open.namespaces().extend(job.namespace.clone());
        self.open.change(|count| count + 1);
        let sent = self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            // The thread has panicked: the next start of the daemon sweeps.
            self.open.change(|count| count.saturating_sub(1));
        }
    }

    /// Waits until nothing is queued.
    pub(crate) fn drain(&self) {
        let mut count = self
            .open
            .count
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while *count > 0 {
            count = self
                .open
                .none
                .wait(count)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Teardown {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the network teardown thread panicked");
        }
    }
}

fn work(mut socket: Socket, group: u32, queue: &Receiver<Job>, open: &Open) {
    while let Ok(first) = queue.recv() {
        thread::sleep(COLLECT);
        let mut jobs = vec![first];
        jobs.extend(queue.try_iter());
        if jobs.iter().any(|job| job.links) {
            delete_links(&mut socket, group);
        }
        for path in jobs.iter().filter_map(|job| job.namespace.as_ref()) {
            remove_namespace(path, &mut open.namespaces());
        }
        open.change(|count| count.saturating_sub(jobs.len()));
    }
}

/// Unless it was reclaimed.
fn remove_namespace(path: &Path, queued: &mut BTreeSet<PathBuf>) {
    if queued.remove(path)
        && let Err(error) = namespace::remove(path)
    {
        tracing::warn!(error = %gantry_errors::chain(&error), "a network namespace is left to the next start");
    }
}

fn delete_links(socket: &mut Socket, group: u32) {
    match socket.request(&[route::delete_group(group)]) {
        // The namespace, and with it the pair, may have gone first.
        Err(error) if error.errno() != Some(Errno::NODEV) => {
            tracing::warn!(error = %gantry_errors::chain(&error), "veths are left to the next start");
        }
        _ => {}
    }
}
