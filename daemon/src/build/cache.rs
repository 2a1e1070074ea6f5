//! Results of steps: in memory for lookups, in the store for the next start.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gantry_build::{Cache, Record};
use gantry_ids::Digest;
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::store::{Batch, Store, Table};

/// The version of records that this code reads and writes.
const VERSION: u32 = 1;

/// The cache of an engine.
#[derive(Debug)]
pub(super) struct StoredCache {
    store: Store,
    runtime: Handle,
    records: Mutex<HashMap<Digest, Record>>,
}

impl StoredCache {
    /// Reads all records; one that cannot be read is a step that is done again.
    pub(super) fn open(store: Store) -> Self {
        let rows = store.load(Table::Builds).unwrap_or_else(|error| {
            let error = gantry_errors::chain(&error).to_string();
            tracing::error!(error, "the build cache cannot be read");
            Vec::new()
        });
        let read = |(key, bytes): (String, Vec<u8>)| {
            let record: Record = serde_json::from_slice(&bytes).ok()?;
            Some((key.parse().ok()?, record)).filter(|(_, record)| record.v == VERSION)
        };
        Self {
            records: Mutex::new(rows.into_iter().filter_map(read).collect()),
            runtime: Handle::current(),
            store,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes in the background: a record that is lost is a step that is done again.
    fn write(&self, batch: Batch) {
        let store = self.store.clone();
        self.runtime.spawn(async move {
            if let Err(error) = store.commit(batch).await {
                let error = gantry_errors::chain(&error).to_string();
                tracing::warn!(error, "a result of a build was not kept");
            }
        });
    }

    fn keep(&self, key: &Digest, record: &Record) {
        let bytes = serde_json::to_vec(record).expect("a record of plain fields");
        self.write(Batch::default().put(Table::Builds, &key.to_string(), bytes));
    }
}

impl Cache for StoredCache {
    fn get(&self, key: &Digest) -> Option<Record> {
        let mut records = self.lock();
        let record = records.get_mut(key)?;
        record.uses += 1;
        record.used_ns = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let record = record.clone();
        drop(records);
        self.keep(key, &record);
        Some(record)
    }

    fn put(&self, key: &Digest, record: Record) {
        self.keep(key, &record);
        self.lock().insert(*key, record);
    }

    fn remove(&self, key: &Digest) {
        self.lock().remove(key);
        self.write(Batch::default().delete(Table::Builds, &key.to_string()));
    }

    fn list(&self) -> Vec<(Digest, Record)> {
        let records = self.lock();
        records
            .iter()
            .map(|(key, record)| (*key, record.clone()))
            .collect()
    }
}
