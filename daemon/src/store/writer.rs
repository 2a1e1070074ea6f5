//! The one thread that writes: what waits together is committed together.
//!
//! Where nobody waits for the sync (all went `ahead`), the commit itself waits a moment for more: a
//! short container's whole life is one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::{
    Batch, StoreError, Table,
    ahead::{Ahead, Mark},
};

/// How long what went ahead may wait for company.
const REST: Duration = Duration::from_millis(50);

/// A batch in the queue.
#[derive(Debug)]
pub(super) struct Job {
    batch: Batch,
    whose: Whose,
}

#[derive(Debug)]
enum Whose {
    /// Somebody waits for the sync.
    Synced(oneshot::Sender<Result<(), StoreError>>),
    /// Answered; its number among those.
    Ahead(u64),
}

impl Job {
    pub(super) fn synced(batch: Batch, done: oneshot::Sender<Result<(), StoreError>>) -> Self {
        Self {
            batch,
            whose: Whose::Synced(done),
        }
    }

    pub(super) fn ahead(batch: Batch, number: u64) -> Self {
        Self {
            batch,
            whose: Whose::Ahead(number),
        }
    }

    fn number(&self) -> Option<u64> {
        match self.whose {
            Whose::Synced(_) => None,
            Whose::Ahead(number) => Some(number),
        }
    }
}

/// Takes what waits, writes it in one transaction, answers everyone who is not answered yet. What was
/// answered and could not be written is tried again with what comes next.
pub(super) fn run(database: &Database, mut jobs: mpsc::Receiver<Job>, ahead: &Mutex<Ahead>) {
    let ahead = || ahead.lock().unwrap_or_else(PoisonError::into_inner);
    let mut left = Vec::new();
    while let Some(first) = jobs.blocking_recv() {
        left.push(first);
        gather(&mut left, &mut jobs);
        let number = left.iter().filter_map(Job::number).max();
        let mark = number.map(|number| ahead().mark(number));
        let outcome = write(database, &left, mark.as_ref());
        match (&outcome, number) {
            (Ok(()), Some(number)) => ahead().settle(number),
            (Ok(()), None) => {}
            (Err(error), _) => {
                let error = gantry_errors::chain(error).to_string();
                tracing::error!(error, "changes were not committed");
            }
        }
        left = left
            .into_iter()
            .filter_map(|job| match job.whose {
                Whose::Synced(done) => {
                    // A caller that went away has its change written all the same.
                    drop(done.send(outcome.clone()));
                    None
                }
                Whose::Ahead(_) => outcome.is_err().then_some(job),
            })
            .collect();
    }
}

/// Takes what waits; what nobody waits for, after a rest.
fn gather(taken: &mut Vec<Job>, jobs: &mut mpsc::Receiver<Job>) {
    let until = Instant::now() + REST;
    loop {
        while let Ok(job) = jobs.try_recv() {
            taken.push(job);
        }
        let rest = until.saturating_duration_since(Instant::now());
        let awaited = taken.iter().any(|job| job.number().is_none());
        if awaited || rest.is_zero() || jobs.is_closed() {
            return;
        }
        // Whoever waits wakes us.
        thread::park_timeout(rest);
    }
}

fn write(database: &Database, jobs: &[Job], mark: Option<&Mark>) -> Result<(), StoreError> {
    let written = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        stage(&transaction, jobs.iter().map(|job| &job.batch), mark)?;
        transaction.commit()?;
        Ok(())
    };
    written().map_err(|source| StoreError::Commit {
        source: Arc::new(source),
    })
}

/// Puts batches, in order, and the mark that goes with them into a transaction.
pub(super) fn stage<'a>(
    transaction: &WriteTransaction,
    batches: impl IntoIterator<Item = &'a Batch>,
    mark: Option<&Mark>,
) -> Result<(), redb::Error> {
    for (table, key, value) in batches.into_iter().flat_map(|batch| &batch.changes) {
        let mut open = transaction.open_table(table.definition())?;
        match value {
            Some(value) => {
                open.insert(key.as_str(), value.as_slice())?;
            }
            None => {
                open.remove(key.as_str())?;
            }
        }
    }
    if let Some(mark) = mark {
        let mut engine = transaction.open_table(Table::Engine.definition())?;
        engine.insert(Mark::KEY, mark.encode().as_slice())?;
    }
    Ok(())
}
