//! gantryd's durable records: one redb file, one thread that writes it.
//!
//! The owners of records keep them in memory and write through: reading from here happens once, at
//! start. A [`Batch`] is one transaction; batches that wait at the same time share one commit (and
//! its fsync). Values are bytes that carry their own version: this module does not look into them.

use std::{path::Path, sync::Arc, thread};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::{mpsc, oneshot};

/// Batches that may wait for the writer before a caller has to wait itself.
const QUEUE: usize = 256;

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Containers, by id.
    Containers,
    /// Volumes, by name.
    Volumes,
    /// Kernel objects of removed containers that are still to be taken down, by container id.
    Teardown,
    /// The engine's own facts (its id, the format's version).
    Engine,
}

impl Table {
    const ALL: [Self; 4] = [
        Self::Containers,
        Self::Volumes,
        Self::Teardown,
        Self::Engine,
    ];

    fn definition(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(match self {
            Self::Containers => "containers",
            Self::Volumes => "volumes",
            Self::Teardown => "teardown",
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

type Job = (Batch, oneshot::Sender<Result<(), StoreError>>);

/// The store; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    database: Arc<Database>,
    writer: mpsc::Sender<Job>,
}

impl Store {
    /// Opens or creates the file and starts the writer, which ends with the last clone.
    ///
    /// # Errors
    /// [`StoreError::Open`]; among them that another process has it open.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source: redb::Error| StoreError::Open {
            path: path.display().to_string(),
            source: Arc::new(source),
        };
        let database = Database::create(path).map_err(|error| failed(error.into()))?;
        let transaction = database
            .begin_write()
            .map_err(|error| failed(error.into()))?;
        for table in Table::ALL {
            transaction
                .open_table(table.definition())
                .map_err(|error| failed(error.into()))?;
        }
        transaction.commit().map_err(|error| failed(error.into()))?;
        let database = Arc::new(database);
        let (writer, jobs) = mpsc::channel(QUEUE);
        let shared = Arc::clone(&database);
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_loop(&shared, jobs))
            .map_err(|error| failed(redb::Error::Io(error)))?;
        Ok(Self { database, writer })
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
        self.writer
            .send((batch, done))
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Takes what waits, writes it in one transaction, answers everyone.
fn write_loop(database: &Database, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut waiting = vec![first];
        while let Ok(job) = jobs.try_recv() {
            waiting.push(job);
        }
        let (batches, answers): (Vec<Batch>, Vec<_>) = waiting.into_iter().unzip();
        let outcome = write(database, &batches).map_err(|source| StoreError::Commit {
            source: Arc::new(source),
        });
        for answer in answers {
            // A caller that went away has its change written all the same.
            drop(answer.send(outcome.clone()));
        }
    }
}

fn write(database: &Database, batches: &[Batch]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for (table, key, value) in batches.iter().flat_map(|batch| &batch.changes) {
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
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_committed_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gantry.redb");
        let store = Store::open(&path).unwrap();
        let writes = (0..20).map(|n| {
            let store = store.clone();
            async move {
                store
                    .commit(Batch::default().put(Table::Containers, &format!("id{n}"), vec![n]))
                    .await
            }
        });
        for write in futures_util::future::join_all(writes).await {
            write.unwrap();
        }
        store
            .commit(Batch::default().delete(Table::Containers, "id3"))
            .await
            .unwrap();
        assert!(Store::open(&path).is_err(), "one process at a time");
        drop(store);
        let reopened = (0..200).find_map(|_| {
            // The writer thread lets go of the file a moment after the last handle.
            Store::open(&path).ok().or_else(|| {
                thread::yield_now();
                None
            })
        });
        let records = reopened.unwrap().load(Table::Containers).unwrap();
        assert_eq!(records.len(), 19);
        assert!(records.iter().all(|(key, _)| key != "id3"));
    }
}
