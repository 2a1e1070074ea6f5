//! The one thread that writes: it commits all changes that are waiting as one.

use std::sync::Arc;

use gantry_errors::chain;
use gantry_telemetry::failpoint;
use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::{StoreError, database};

/// How many changes may wait before callers do.
const QUEUE: usize = 256;
/// How many changes one commit takes at most.
const BATCH: usize = 64;

/// Stages a change in the transaction and gives what to do once the commit's fate is known.
type Change = Box<dyn FnOnce(&WriteTransaction) -> Settle + Send>;
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

    /// Runs `change` in a transaction and answers once that is durable. A change that fails must
    /// have written nothing: others share the transaction.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let staged: Change = Box::new(move |transaction| {
            let staged = change(transaction);
            Box::new(move |committed| {
                // The caller may have gone; the change stands.
                let _ = reply.send(committed.and(staged));
            })
        });
        self.0.send(staged).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

fn write_all(db: &Database, mut changes: mpsc::Receiver<Change>) {
    while let Some(first) = changes.blocking_recv() {
        let mut settle = Vec::new();
        let committed = db.begin_write().map_err(database).and_then(|transaction| {
            settle.push(first(&transaction));
            while settle.len() < BATCH
                && let Ok(next) = changes.try_recv()
            {
                settle.push(next(&transaction));
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
    }
}
