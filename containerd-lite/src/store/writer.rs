//! The one thread that writes: it commits all changes that are waiting as one.
//!
//! A change whose caller needs no more is answered once every reader sees it; what was answered so is
//! synced as soon as nothing waits.

use std::sync::Arc;

use gantry_errors::chain;
use gantry_telemetry::failpoint;
use redb::{Database, Durability, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::{StoreError, database};

/// How many changes may wait before callers do.
const QUEUE: usize = 256;
/// How many changes one commit takes at most.
const BATCH: usize = 64;

/// When a change's caller is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// When the change is on disk.
    Synced,
    /// When it is seen by readers; it reaches the disk soon after.
    Seen,
}

/// A change in the queue.
struct Change {
    when: When,
    stage: Stage,
}

/// Stages a change in the transaction and gives what to do once the commit's fate is known.
type Stage = Box<dyn FnOnce(&WriteTransaction) -> Settle + Send>;
type Settle = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A handle on the thread, which ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub(super) struct Writer(mpsc::Sender<Change>);

impl Writer {
    pub(super) fn start(db: Arc<Database>) -> Self {
        let (send, receive) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("store".into())
            .stack_size(256 << 10)
            .spawn(move || write_all(&db, receive))
            .expect("a thread can be started while the program starts");
        Self(send)
    }

    /// Runs `change` in a transaction and answers once that is durable.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_until(When::Synced, change).await
    }

    /// Runs `change` in a transaction and answers when told. A change that fails must have written
    /// nothing: others share the transaction.
    #[tracing::instrument(level = "debug", name = "commit", skip_all)]
    pub(super) async fn write_until<T: Send + 'static>(
        &self,
        when: When,
        change: impl FnOnce(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let stage: Stage = Box::new(move |transaction| {
            let staged = change(transaction);
            Box::new(move |committed| {
                // The caller may have gone; the change stands.
                let _ = reply.send(committed.and(staged));
            })
        });
        let change = Change { when, stage };
        self.0.send(change).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

fn write_all(db: &Database, mut changes: mpsc::Receiver<Change>) {
    let mut unsynced = false;
    loop {
        if unsynced && changes.is_empty() {
            sync(db);
        }
        let Some(first) = changes.blocking_recv() else {
            return;
        };
        unsynced = commit(db, first, &mut changes) == When::Seen;
    }
}

/// Commits `first` and what waits behind it; gives what its callers were promised.
fn commit(db: &Database, first: Change, changes: &mut mpsc::Receiver<Change>) -> When {
    let mut settle = Vec::new();
    let mut when = first.when;
    let committed = db
        .begin_write()
        .map_err(database)
        .and_then(|mut transaction| {
            settle.push((first.stage)(&transaction));
            while settle.len() < BATCH
                && let Ok(next) = changes.try_recv()
            {
                if next.when == When::Synced {
                    when = When::Synced;
                }
                settle.push((next.stage)(&transaction));
            }
            if when == When::Seen {
                let unsynced = transaction.set_durability(Durability::None);
                unsynced.expect("there are no savepoints and no other processes");
            }
            transaction.commit().map_err(database)
        });
    let _ = failpoint("store.committed");
    let failure = committed.err().map(|error| {
        tracing::error!(error = %chain(&error), "a commit failed");
        Arc::<str>::from(chain(&error).to_string())
    });
    for settle in settle {
        settle(
            failure
                .clone()
                .map_or(Ok(()), |why| Err(StoreError::Commit(why))),
        );
    }
    when
}

/// A durable commit takes those before it along.
fn sync(db: &Database) {
    let synced = db.begin_write().map_err(database);
    if let Err(error) = synced.and_then(|empty| empty.commit().map_err(database)) {
        tracing::error!(error = %chain(&error), "definitions were not synced");
    }
}
