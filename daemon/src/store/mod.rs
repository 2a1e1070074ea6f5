//! gantryd's durable records: one redb file, one thread that writes it.
//!
//! The owners of records keep them in memory and write through: reading from here happens once, at
//! start. A [`Batch`] is one transaction; batches that wait at the same time share one commit (and
//! its fsync). Values are bytes that carry their own version: this module does not look into them.
//!
//! [`Store::commit`] is for what must survive a power cut; [`Store::commit_soon`] for what must survive
//! a kill of the engine (`ahead`).

mod ahead;
mod writer;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, Thread},
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use ahead::{Ahead, Mark};
use writer::Job;

/// Batches that may wait for the writer before a caller has to wait itself.
const QUEUE: usize = 256;

/// What the database keeps in memory, in bytes: records are read once, at the start.
const CACHE_BYTES: usize = 1 << 20;

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// Containers, by id.
    Containers,
    /// Volumes, by name.
    Volumes,
    /// Kernel objects of removed containers that are still to be taken down, by container id.
    Teardown,
    /// Results of steps of builds, by key.
    Builds,
    /// The engine's own facts (its id, the format's version).
    Engine,
}

impl Table {
    const ALL: [Self; 5] = [
        Self::Containers,
        Self::Volumes,
        Self::Teardown,
        Self::Builds,
        Self::Engine,
    ];

    fn definition(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(match self {
            Self::Containers => "containers",
            Self::Volumes => "volumes",
            Self::Teardown => "teardown",
            Self::Builds => "builds",
            Self::Engine => "engine",
        })
    }
}

/// Why the store cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("open metadata store {path}")]
    Open {
        path: String,
        #[source]
        source: Arc<redb::Error>,
    },
    #[error("read metadata table {table}")]
    Read {
        table: &'static str,
        #[source]
        source: Arc<redb::Error>,
    },
    #[error("open what went ahead of the metadata store, {path}")]
    Ahead {
        path: String,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("commit metadata")]
    Commit {
        #[source]
        source: Arc<redb::Error>,
    },
    #[error("the metadata store's writer has ended")]
    Closed,
}

/// Changes that become durable together.
#[derive(Debug, Default)]
pub struct Batch {
    changes: Vec<(Table, String, Option<Vec<u8>>)>,
}

impl Batch {
    /// Adds a record, or replaces it.
    #[must_use]
    pub fn put(mut self, table: Table, key: &str, value: Vec<u8>) -> Self {
        self.changes.push((table, key.to_owned(), Some(value)));
        self
    }

    /// Removes a record; one that is not there is no error.
    #[must_use]
    pub fn delete(mut self, table: Table, key: &str) -> Self {
        self.changes.push((table, key.to_owned(), None));
        self
    }
}

/// The store; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    database: Arc<Database>,
    writer: mpsc::Sender<Job>,
    thread: Thread,
    ahead: Arc<Mutex<Ahead>>,
}

impl Store {
    /// Opens or creates the file and starts the writer, which ends with the last clone. What an engine
    /// before this one answered ahead of its sync is in the file `ahead`, and is committed first.
    ///
    /// # Errors
    /// [`StoreError::Open`]; among them that another process has it open. [`StoreError::Ahead`].
    pub fn open(path: &Path, ahead: &Path) -> Result<Self, StoreError> {
        let failed = |source: redb::Error| StoreError::Open {
            path: path.display().to_string(),
            source: Arc::new(source),
        };
        let unread = |source: io::Error| StoreError::Ahead {
            path: ahead.display().to_string(),
            source: Arc::new(source),
        };
        let database = gantry_ledger::open(path, Some(CACHE_BYTES));
        let database = database.map_err(|error| failed(error.into()))?;
        let transaction = database
            .begin_write()
            .map_err(|error| failed(error.into()))?;
        let mark = complete(&transaction).map_err(failed)?;
        let (missing, mark) = Ahead::missing(ahead, &mark).map_err(unread)?;
        writer::stage(&transaction, &missing, Some(&mark)).map_err(failed)?;
        transaction.commit().map_err(|error| failed(error.into()))?;
        let database = Arc::new(database);
        let ahead = Arc::new(Mutex::new(Ahead::create(ahead, mark).map_err(unread)?));
        let (writer, jobs) = mpsc::channel(QUEUE);
        let shared = (Arc::clone(&database), Arc::clone(&ahead));
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer::run(&shared.0, jobs, &shared.1))
            .map_err(|error| failed(redb::Error::Io(error)))?;
        Ok(Self {
            database,
            writer,
            thread: thread.thread().clone(),
            ahead,
        })
    }

    /// The database itself, for owners of tables that write for themselves (networks).
    #[must_use]
    pub fn database(&self) -> Arc<Database> {
        Arc::clone(&self.database)
    }

    /// All records of a table. Synchronous: for the engine's start.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub fn load(&self, table: Table) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let definition = table.definition();
        let failed = |source: redb::Error| StoreError::Read {
            table: match table {
                Table::Containers => "containers",
                Table::Volumes => "volumes",
                Table::Teardown => "teardown",
                Table::Builds => "builds",
                Table::Engine => "engine",
            },
            source: Arc::new(source),
        };
        let read = self
            .database
            .begin_read()
            .map_err(|error| failed(error.into()))?;
        let open = read
            .open_table(definition)
            .map_err(|error| failed(error.into()))?;
        open.iter()
            .map_err(|error| failed(error.into()))?
            .map(|entry| {
                let (key, value) = entry.map_err(|error| failed(error.into()))?;
                Ok((key.value().to_owned(), value.value().to_vec()))
            })
            .collect()
    }

    /// Writes a batch; once this returns it survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::Commit`] (nothing of the batch is then written) or [`StoreError::Closed`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        let job = Job::synced(batch, done);
        self.writer
            .send(job)
            .await
            .map_err(|_| StoreError::Closed)?;
        self.thread.unpark();
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes a batch; once this returns it survives a kill of the engine, and a moment later a power
    /// cut.
    ///
    /// # Errors
    /// As [`Self::commit`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn commit_soon(&self, batch: Batch) -> Result<(), StoreError> {
        let permit = self.writer.reserve().await;
        let permit = permit.map_err(|_| StoreError::Closed)?;
        let refused = {
            // Held over both, so that numbers are in the order of the queue.
            let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            match ahead.append(&batch) {
                Ok(number) => {
                    permit.send(Job::ahead(batch, number));
                    return Ok(());
                }
                Err(refused) => refused,
            }
        };
        let error = gantry_errors::chain(&refused).to_string();
        tracing::warn!(error, "a change waits for its commit");
        self.commit(batch).await
    }
}

/// Makes the tables that are missing, and gives the mark.
fn complete(transaction: &WriteTransaction) -> Result<Mark, redb::Error> {
    for table in Table::ALL {
        transaction.open_table(table.definition())?;
    }
    let engine = transaction.open_table(Table::Engine.definition())?;
    let mark = engine.get(Mark::KEY)?;
    let mark = mark.and_then(|bytes| Mark::decode(bytes.value()));
    Ok(mark.unwrap_or_else(Mark::new))
}

#[cfg(test)]
mod tests;
