//! Builds that go on, by the names their clients drew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gantry_build::Cancel;
use tokio::sync::{oneshot, watch};
use tonic::Status;

use crate::build::{Attributes, Journal};
use crate::session::Session;

/// How long a call that names a build waits for it to begin.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many builds that have ended are still known: a client may come to watch one that was done
/// before it came.
const ENDED_MAX: usize = 16;

/// The builds.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    open: Mutex<HashMap<String, Arc<Entry>>>,
    /// Those of them that have ended, the oldest first.
    ended: Mutex<VecDeque<String>>,
    count: watch::Sender<u64>,
}

/// What a client returned as the result: what it asked the frontend for, or nothing.
pub(super) type Returned = Result<Option<Attributes>, Status>;

/// A build.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: Session,
    pub(super) journal: Arc<Journal>,
    pub(super) cancel: Cancel,
    promises: Mutex<HashMap<String, Attributes>>,
    returned: Mutex<Option<oneshot::Sender<Returned>>>,
}

/// A build is known as long as this is held; then it is cancelled, if it still goes on.
#[derive(Debug)]
pub(super) struct Registration {
    jobs: Arc<Jobs>,
    name: String,
    pub(super) entry: Arc<Entry>,
}

impl Jobs {
    /// A build begins.
    pub(super) fn begin(
        self: &Arc<Self>,
        name: &str,
        session: Session,
    ) -> Result<(Registration, oneshot::Receiver<Returned>), Status> {
        let (sender, returned) = oneshot::channel();
        let entry = Arc::new(Entry {
            session,
            journal: Journal::new(),
            cancel: Cancel::new(),
            promises: Mutex::default(),
            returned: Mutex::new(Some(sender)),
        });
        let mut open = lock(&self.open);
        if name.is_empty() || open.contains_key(name) {
            return Err(Status::already_exists(format!(
                "build {name:?} goes on already"
            )));
        }
        open.insert(name.to_owned(), Arc::clone(&entry));
        drop(open);
        self.count.send_modify(|count| *count += 1);
        let registration = Registration {
            jobs: Arc::clone(self),
            name: name.to_owned(),
            entry,
        };
        Ok((registration, returned))
    }

    /// A build by its name; it may be about to begin.
    pub(super) async fn get(&self, name: &str) -> Result<Arc<Entry>, Status> {
        let mut count = self.count.subscribe();
        let found = async {
            loop {
                count.borrow_and_update();
                if let Some(entry) = lock(&self.open).get(name) {
                    return Arc::clone(entry);
                }
                if count.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.map_err(|_| Status::not_found(format!("no such job {name}")))
    }
}

impl Entry {
    /// Remembers what a frontend was asked for; the answer is the promise's name.
    pub(super) fn promise(&self, attributes: Attributes) -> String {
        let mut promises = lock(&self.promises);
        let name = format!("result-{}", promises.len());
        promises.insert(name.clone(), attributes);
        name
    }

    /// What was promised under a name; none for the empty name.
    pub(super) fn promised(&self, name: &str) -> Returned {
        if name.is_empty() {
            return Ok(None);
        }
        let promised = lock(&self.promises).get(name).cloned();
        let unknown = || Status::invalid_argument(format!("no such result: {name:?}"));
        promised.map(Some).ok_or_else(unknown)
    }

    /// The client has said what the result is. Later words are passed over.
    pub(super) fn finish(&self, returned: Returned) {
        if let Some(sender) = lock(&self.returned).take() {
            // Nobody listens once the build was cancelled.
            let _ = sender.send(returned);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.entry.cancel.cancel();
        self.entry.journal.end();
        let mut ended = lock(&self.jobs.ended);
        ended.push_back(std::mem::take(&mut self.name));
        if ended.len() > ENDED_MAX
            && let Some(oldest) = ended.pop_front()
        {
            lock(&self.jobs.open).remove(&oldest);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
