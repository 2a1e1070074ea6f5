//! Namespaces and their labels.

use std::collections::BTreeMap;

use redb::{ReadableDatabase, ReadableTable, WriteTransaction};

use super::record::{NamespaceRecord, VERSION};
use super::tables::{CONTAINERS, LEASES, NAMESPACES, encode, get, scan};
use super::{Store, StoreError, database};
use crate::names::Namespace;

type Labels = BTreeMap<String, String>;

/// How a namespace's labels change.
#[derive(Clone, Debug)]
pub(crate) enum LabelChange {
    /// All of them, as given.
    All,
    /// Only these keys; one that is given no value goes.
    Only(Vec<String>),
}

impl Store {
    /// A namespace's labels.
    ///
    /// # Errors
    /// There is no such namespace.
    pub(crate) fn namespace(&self, name: &Namespace) -> Result<Labels, StoreError> {
        let read = self.database.begin_read().map_err(database)?;
        let table = read.open_table(NAMESPACES).map_err(database)?;
        get::<NamespaceRecord>(&table, name.as_str())?
            .map(|record| record.labels)
            .ok_or_else(|| StoreError::NoNamespace(name.clone()))
    }

    /// All namespaces, by name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn namespaces(&self) -> Result<Vec<(String, Labels)>, StoreError> {
        let read = self.database.begin_read().map_err(database)?;
        let table = read.open_table(NAMESPACES).map_err(database)?;
        let all = scan::<NamespaceRecord>(&table, "")?;
        Ok(all
            .into_iter()
            .map(|(name, record)| (name, record.labels))
            .collect())
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// It exists.
    pub(crate) async fn create_namespace(
        &self,
        name: Namespace,
        labels: Labels,
    ) -> Result<(), StoreError> {
        let change = move |write: &WriteTransaction| {
            let mut table = write.open_table(NAMESPACES).map_err(database)?;
            if table.get(name.as_str()).map_err(database)?.is_some() {
                return Err(StoreError::NamespaceExists(name));
            }
            put(&mut table, &name, labels)
        };
        self.writer.write(change).await
    }

    /// Changes a namespace's labels and gives all that it has then.
    ///
    /// # Errors
    /// There is no such namespace.
    pub(crate) async fn update_namespace(
        &self,
        name: Namespace,
        given: Labels,
        change: LabelChange,
    ) -> Result<Labels, StoreError> {
        let change = move |write: &WriteTransaction| {
            let mut table = write.open_table(NAMESPACES).map_err(database)?;
            let Some(record) = get::<NamespaceRecord>(&table, name.as_str())? else {
                return Err(StoreError::NoNamespace(name));
            };
            let labels = match change {
                LabelChange::All => given,
                LabelChange::Only(keys) => merge(record.labels, &given, keys),
            };
            put(&mut table, &name, labels.clone())?;
            Ok(labels)
        };
        self.writer.write(change).await
    }

    /// Deletes an empty namespace.
    ///
    /// # Errors
    /// There is no such namespace, or it holds something.
    pub(crate) async fn delete_namespace(&self, name: Namespace) -> Result<(), StoreError> {
        let change = move |write: &WriteTransaction| {
            for (table, what) in [(CONTAINERS, "containers"), (LEASES, "leases")] {
                let table = write.open_table(table).map_err(database)?;
                let prefix = format!("{name}/");
                let mut range = table.range(prefix.as_str()..).map_err(database)?;
                let first = range.next().transpose().map_err(database)?;
                if first.is_some_and(|(key, _)| key.value().starts_with(&prefix)) {
                    return Err(StoreError::NotEmpty(name.clone(), what));
                }
            }
            let mut table = write.open_table(NAMESPACES).map_err(database)?;
            let found = table.remove(name.as_str()).map_err(database)?.is_some();
            if found {
                Ok(())
            } else {
                Err(StoreError::NoNamespace(name))
            }
        };
        self.writer.write(change).await
    }
}

/// Makes the namespace of a first object come into being, as containerd does.
pub(super) fn ensure(write: &WriteTransaction, name: &Namespace) -> Result<(), StoreError> {
    let mut table = write.open_table(NAMESPACES).map_err(database)?;
    if table.get(name.as_str()).map_err(database)?.is_some() {
        return Ok(());
    }
    put(&mut table, name, Labels::new())
}

fn put(
    table: &mut redb::Table<'_, &'static str, &'static [u8]>,
    name: &Namespace,
    labels: Labels,
) -> Result<(), StoreError> {
    let record = encode(&NamespaceRecord { v: VERSION, labels });
    table
        .insert(name.as_str(), record.as_slice())
        .map_err(database)?;
    Ok(())
}

/// Takes the named keys from `given`.
pub(super) fn merge(mut labels: Labels, given: &Labels, keys: Vec<String>) -> Labels {
    for key in keys {
        match given.get(&key) {
            Some(value) => labels.insert(key, value.clone()),
            None => labels.remove(&key),
        };
    }
    labels
}
