//! The tables and how records lie in them.
//!
//! ```text
//! namespaces   NAME                → {"v":1,"labels":{…}}
//! containers   NAMESPACE "/" ID    → {"v":1,"id":…}, without the spec
//! specs        NAMESPACE "/" ID    → the spec's bytes as they came
//! leases       NAMESPACE "/" ID    → {"v":1,"id":…}
//! ```

use redb::{Database, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StoreError, database};
use crate::names::Namespace;

pub(super) type Table = TableDefinition<'static, &'static str, &'static [u8]>;

pub(super) const NAMESPACES: Table = TableDefinition::new("namespaces");
pub(super) const CONTAINERS: Table = TableDefinition::new("containers");
pub(super) const SPECS: Table = TableDefinition::new("specs");
pub(super) const LEASES: Table = TableDefinition::new("leases");

/// Makes the tables, so that readers never miss one.
pub(super) fn create(db: &Database) -> Result<(), StoreError> {
    let write = db.begin_write().map_err(database)?;
    for table in [NAMESPACES, CONTAINERS, SPECS, LEASES] {
        write.open_table(table).map_err(database)?;
    }
    write.commit().map_err(database)
}

/// The key of an object in a namespace. Neither part can hold a slash.
pub(super) fn key(namespace: &Namespace, id: &str) -> String {
    format!("{namespace}/{id}")
}

/// A record, decoded; `None` where there is none.
pub(super) fn get<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<T>, StoreError> {
    match table.get(key).map_err(database)? {
        None => Ok(None),
        Some(bytes) => decode(key, bytes.value()).map(Some),
    }
}

/// All records whose keys begin with `prefix`, in order.
pub(super) fn scan<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    prefix: &str,
) -> Result<Vec<(String, T)>, StoreError> {
    let mut records = Vec::new();
    for entry in table.range(prefix..).map_err(database)? {
        let (key, bytes) = entry.map_err(database)?;
        let Some(rest) = key.value().strip_prefix(prefix) else {
            break;
        };
        records.push((rest.to_owned(), decode(key.value(), bytes.value())?));
    }
    Ok(records)
}

/// A record as bytes.
pub(super) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("records have string keys and cannot fail to encode")
}

fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|source| StoreError::Damaged {
        what: what.to_owned(),
        source,
    })
}
