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
    /// Version of this record's format: 2.
    pub v: u32,
    /// The network.
    pub id: NetworkId,
    /// Name.
    pub name: String,
    /// `bridge`, `macvlan`, `host`, `null`.
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
    /// Nothing is forwarded out of it or into it (`--internal`). New in format 2, as what follows.
    #[serde(default)]
    pub internal: bool,
    /// `--attachable`; told back, and without effect on a bridge.
    #[serde(default)]
    pub attachable: bool,
    /// Addresses that the user keeps for other purposes, by name (`--aux-address`).
    #[serde(default)]
    pub reserved: BTreeMap<String, Ipv4Addr>,
    /// Options of the address driver, told back; `None` where the request had none.
    #[serde(default)]
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Device of the host that containers' links are made on, for macvlan networks.
    #[serde(default)]
    pub parent: Option<String>,
    /// Somebody else made the bridge device: it stays when the network goes.
    #[serde(default)]
    pub foreign_bridge: bool,
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
    /// A record of a later Gantry.
    #[error("record of network {id} has format {v}, newer than this engine knows")]
    Version {
        /// Key.
        id: String,
        /// Its format.
        v: u32,
    },
}

/// The format of records that this engine writes.
pub(crate) const VERSION: u32 = 2;

fn decode(id: String, value: &[u8]) -> Result<NetworkRecord, StoreError> {
    /// Read first: what else a later format holds is unknown.
    #[derive(Deserialize)]
    struct Format {
        v: u32,
    }
    let read = |source| StoreError::Record {
        id: id.clone(),
        source,
    };
    let Format { v } = serde_json::from_slice(value).map_err(read)?;
    if v > VERSION {
        return Err(StoreError::Version { id, v });
    }
    let mut record: NetworkRecord = serde_json::from_slice(value).map_err(read)?;
    record.v = VERSION;
    Ok(record)
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
            .map(|(id, value)| decode(id, &value))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As format 1 is on disks: it must be readable for good.
    const FORMAT_1: &str = r#"{"v":1,"id":"783c0b717b468cf29157d7a418b549e8c0465299af95eb8c9534a9bd1f99366b","name":"bridge","driver":"bridge","created_ns":1795268816709489740,"bridge":"gantry2f62e592","subnet":"172.17.0.1/16","user_subnet":false,"ip_range":null,"gateway":null,"options":{"com.docker.network.bridge.name":"gantry2f62e592"},"labels":{}}"#;

    /// The same as format 2 writes it.
    const FORMAT_2: &str = r#"{"v":2,"id":"783c0b717b468cf29157d7a418b549e8c0465299af95eb8c9534a9bd1f99366b","name":"bridge","driver":"bridge","created_ns":1795268816709489740,"bridge":"gantry2f62e592","subnet":"172.17.0.1/16","user_subnet":false,"ip_range":null,"gateway":null,"options":{"com.docker.network.bridge.name":"gantry2f62e592"},"labels":{},"internal":false,"attachable":false,"reserved":{},"ipam_options":null,"parent":null,"foreign_bridge":false}"#;

    #[test]
    fn older_formats_are_read_and_the_newest_is_written() {
        let record = decode("k".to_owned(), FORMAT_1.as_bytes()).unwrap();
        assert_eq!(record.subnet.unwrap().addr(), Ipv4Addr::new(172, 17, 0, 1));
        assert_eq!(serde_json::to_string(&record).unwrap(), FORMAT_2);
        let again = decode("k".to_owned(), FORMAT_2.as_bytes()).unwrap();
        assert_eq!(again, record);
    }

    #[test]
    fn later_formats_and_torn_records_are_refused_by_name() {
        let refused = |text: &str| {
            decode("k".to_owned(), text.as_bytes())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(r#"{"v":3,"shape":"new"}"#),
            "record of network k has format 3, newer than this engine knows"
        );
        assert_eq!(refused(&FORMAT_2[..40]), "record of network k");
    }

    #[test]
    fn the_database_keeps_what_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let record = decode(String::new(), FORMAT_1.as_bytes()).unwrap();
        let open = || RedbStore::new(Arc::new(Database::create(&path).unwrap()));
        assert_eq!(open().load().unwrap(), []);
        open().put(&record).unwrap();
        assert_eq!(open().load().unwrap(), std::slice::from_ref(&record));
        open().delete(&record.id).unwrap();
        open().delete(&record.id).unwrap();
        assert_eq!(open().load().unwrap(), []);
    }
}
