//! Where network definitions are kept: a port, its adapter over the daemon's database, and one in
//! memory for tests.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use gantry_ids::NetworkId;
use ipnet::Ipv4Net;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

/// A network as it is defined; survives power cuts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// Version of this record's format: 1.
    pub v: u32,
    /// The network.
    pub id: NetworkId,
    /// Name.
    pub name: String,
    /// `bridge`, `host`, `null`.
    pub driver: String,
    /// Nanoseconds since the epoch.
    pub created_ns: u64,
    /// Bridge device on the host, for bridge networks.
    pub bridge: Option<String>,
    /// Subnet with the host's own address in it (`172.17.0.1/16`).
    pub subnet: Option<Ipv4Net>,
    /// Did a user choose the subnet (then containers may ask for an address)?
    pub user_subnet: bool,
    /// Narrower range for containers.
    pub ip_range: Option<Ipv4Net>,
    /// Gateway that containers get, if not the bridge's address.
    pub gateway: Option<Ipv4Addr>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// The database refused or a record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database.
    #[error("database")]
    Database(#[source] Box<redb::Error>),
    /// A record is not what this version writes.
    #[error("record of network {id}")]
    Record {
        /// Key.
        id: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// Durable network definitions: `put` and `delete` return after the data is on disk.
pub trait NetworkStore: fmt::Debug + Send + Sync {
    /// All definitions.
    fn load(&self) -> Result<Vec<NetworkRecord>, StoreError>;
    /// Adds or replaces one.
    fn put(&self, record: &NetworkRecord) -> Result<(), StoreError>;
    /// Removes one; no error if it is not there.
    fn delete(&self, id: &NetworkId) -> Result<(), StoreError>;
}

const NETWORKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("networks");

/// Definitions in the table `networks` of the daemon's own database (ADR 4).
#[derive(Clone)]
pub struct RedbStore(Arc<Database>);

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedbStore")
    }
}

impl RedbStore {
    /// Over a database that the daemon opened.
    #[must_use]
    pub fn new(database: Arc<Database>) -> Self {
        Self(database)
    }

    fn read(&self) -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
        let transaction = self.0.begin_read()?;
        let table = match transaction.open_table(NETWORKS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut rows = Vec::new();
        for row in table.iter()? {
            let (id, value) = row?;
            rows.push((id.value().to_owned(), value.value().to_owned()));
        }
        Ok(rows)
    }

    fn write(&self, id: &str, value: Option<&[u8]>) -> Result<(), redb::Error> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(NETWORKS)?;
            match value {
                Some(value) => table.insert(id, value)?,
                None => table.remove(id)?,
            };
        }
        transaction.commit()?;
        Ok(())
    }
}

fn database(error: redb::Error) -> StoreError {
    StoreError::Database(Box::new(error))
}

impl NetworkStore for RedbStore {
    fn load(&self) -> Result<Vec<NetworkRecord>, StoreError> {
        let rows = self.read().map_err(database)?;
        rows.into_iter()
            .map(|(id, value)| {
                serde_json::from_slice(&value).map_err(|source| StoreError::Record { id, source })
            })
            .collect()
    }

    fn put(&self, record: &NetworkRecord) -> Result<(), StoreError> {
        let value = serde_json::to_vec(record).map_err(|source| StoreError::Record {
            id: record.id.to_string(),
            source,
        })?;
        self.write(record.id.as_str(), Some(&value))
            .map_err(database)
    }

    fn delete(&self, id: &NetworkId) -> Result<(), StoreError> {
        self.write(id.as_str(), None).map_err(database)
    }
}

/// Definitions that live as long as the value, for tests.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeMap<NetworkId, NetworkRecord>>);

impl NetworkStore for MemoryStore {
    fn load(&self) -> Result<Vec<NetworkRecord>, StoreError> {
        Ok(self
            .0
            .lock()
            .expect("no panic while held")
            .values()
            .cloned()
            .collect())
    }

    fn put(&self, record: &NetworkRecord) -> Result<(), StoreError> {
        self.0
            .lock()
            .expect("no panic while held")
            .insert(record.id.clone(), record.clone());
        Ok(())
    }

    fn delete(&self, id: &NetworkId) -> Result<(), StoreError> {
        self.0.lock().expect("no panic while held").remove(id);
        Ok(())
    }
}
