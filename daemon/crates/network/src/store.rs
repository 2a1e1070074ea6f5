//! Where network definitions are kept: a port, its adapter over the daemon's database, and one in
//! memory for tests.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use gantry_ids::NetworkId;
use gantry_probe::failpoint;
use ipnet::IpNet;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

/// A network as it is defined; survives power cuts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// Version of this record's format: 3.
    pub v: u32,
    /// The network.
    pub id: NetworkId,
    /// Name.
    pub name: String,
    /// `bridge`, `macvlan`, `ipvlan`, `host`, `null`.
    pub driver: String,
    /// Nanoseconds since the epoch.
    pub created_ns: u64,
    /// Bridge device on the host, for bridge networks.
    pub bridge: Option<String>,
    /// Do containers get IPv4 addresses?
    pub ipv4: bool,
    /// Do containers get IPv6 addresses?
    pub ipv6: bool,
    /// In the order of the request, those of the engine's own choice behind; also of a family that is off.
    pub subnets: Vec<SubnetRecord>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Nothing is forwarded out of it or into it (`--internal`).
    pub internal: bool,
    /// `--attachable`; told back, and without effect on a bridge.
    pub attachable: bool,
    /// Options of the address driver, told back; `None` where the request had none.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Device of the host that containers' links are made on, for macvlan and ipvlan networks.
    pub parent: Option<String>,
    /// Somebody else made the bridge or the parent: it stays when the network goes.
    pub foreign_bridge: bool,
    /// It only carries settings for others (`--config-only`).
    pub config_only: bool,
    /// Name of the network that its settings are from.
    pub config_from: Option<String>,
}

/// A subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetRecord {
    /// With the host's own address in it (`172.17.0.1/16`).
    pub net: IpNet,
    /// Did a user choose it (then containers may ask for an address)?
    pub chosen: bool,
    /// Narrower range for containers.
    pub ip_range: Option<IpNet>,
    /// Gateway that containers get, if not the bridge's address.
    pub gateway: Option<IpAddr>,
    /// Addresses that the user keeps for other purposes, by name (`--aux-address`).
    pub reserved: BTreeMap<String, IpAddr>,
}

impl NetworkRecord {
    /// The first subnet of a family that is on.
    pub(crate) fn subnet(&self, family: Family) -> Option<&SubnetRecord> {
        self.subnets_in_use()
            .find(|subnet| Family::of(subnet.net.addr()) == family)
    }

    /// Those that containers get addresses of.
    pub(crate) fn subnets_in_use(&self) -> impl Iterator<Item = &SubnetRecord> {
        self.subnets
            .iter()
            .filter(|subnet| self.has(Family::of(subnet.net.addr())))
    }

    /// Is a family on?
    pub(crate) fn has(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.ipv4,
            Family::V6 => self.ipv6,
        }
    }
}

/// One of the two kinds of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }
}

/// The database refused or a record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A crash test's instant.
    #[error(transparent)]
    Injected(#[from] gantry_probe::Injected),
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
pub(crate) const VERSION: u32 = 3;

mod failpoints;
mod older;

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
    if v < VERSION {
        return older::decode(value).map_err(read);
    }
    serde_json::from_slice(value).map_err(read)
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
            .map_err(database)?;
        Ok(failpoint(failpoints::RECORDED)?)
    }

    fn delete(&self, id: &NetworkId) -> Result<(), StoreError> {
        self.write(id.as_str(), None).map_err(database)?;
        Ok(failpoint(failpoints::DELETED)?)
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
mod tests;
