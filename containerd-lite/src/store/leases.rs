//! Leases and what they hold.

use std::collections::BTreeMap;

use jiff::Timestamp;
use redb::{ReadableDatabase, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::containers::put;
use super::namespaces::ensure;
use super::record::{Lease, VERSION};
use super::tables::{LEASES, encode, get, key, scan};
use super::{Store, StoreError, database};
use crate::names::Namespace;

/// Something a lease holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resource {
    /// Which object.
    pub(crate) id: String,
    /// Of which kind (`content`, `snapshots/overlayfs`).
    pub(crate) kind: String,
}

impl Store {
    /// Makes a lease.
    ///
    /// # Errors
    /// A lease of that id exists.
    pub(crate) async fn create_lease(
        &self,
        namespace: Namespace,
        id: String,
        labels: BTreeMap<String, String>,
    ) -> Result<Lease, StoreError> {
        let change = move |write: &WriteTransaction| {
            let key = key(&namespace, &id);
            let mut table = write.open_table(LEASES).map_err(database)?;
            if table.get(key.as_str()).map_err(database)?.is_some() {
                return Err(StoreError::LeaseExists(id));
            }
            ensure(write, &namespace)?;
            let lease = Lease {
                v: VERSION,
                id,
                created_at: Timestamp::now(),
                labels,
                resources: Vec::new(),
            };
            put(&mut table, &key, &encode(&lease))?;
            Ok(lease)
        };
        self.writer.write(change).await
    }

    /// Ends a lease.
    ///
    /// # Errors
    /// There is no such lease.
    pub(crate) async fn delete_lease(
        &self,
        namespace: Namespace,
        id: String,
    ) -> Result<(), StoreError> {
        let change = move |write: &WriteTransaction| {
            let mut table = write.open_table(LEASES).map_err(database)?;
            let key = key(&namespace, &id);
            let found = table.remove(key.as_str()).map_err(database)?.is_some();
            if found {
                Ok(())
            } else {
                Err(StoreError::NoLease(id))
            }
        };
        self.writer.write(change).await
    }

    /// All leases of a namespace, by id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn leases(&self, namespace: &Namespace) -> Result<Vec<Lease>, StoreError> {
        let read = self.database.begin_read().map_err(database)?;
        let table = read.open_table(LEASES).map_err(database)?;
        let all = scan(&table, &format!("{namespace}/"))?;
        Ok(all.into_iter().map(|(_, lease)| lease).collect())
    }

    /// What a lease holds.
    ///
    /// # Errors
    /// There is no such lease.
    pub(crate) fn lease_resources(
        &self,
        namespace: &Namespace,
        id: &str,
    ) -> Result<Vec<Resource>, StoreError> {
        let read = self.database.begin_read().map_err(database)?;
        let table = read.open_table(LEASES).map_err(database)?;
        get::<Lease>(&table, &key(namespace, id))?
            .map(|lease| lease.resources)
            .ok_or_else(|| StoreError::NoLease(id.to_owned()))
    }

    /// Adds a resource to a lease, once.
    ///
    /// # Errors
    /// There is no such lease.
    pub(crate) async fn lease_resource(
        &self,
        namespace: Namespace,
        id: String,
        resource: Resource,
    ) -> Result<(), StoreError> {
        self.change_lease(namespace, id, move |resources| {
            if !resources.contains(&resource) {
                resources.push(resource);
            }
        })
        .await
    }

    /// Takes a resource from a lease.
    ///
    /// # Errors
    /// There is no such lease.
    pub(crate) async fn release_resource(
        &self,
        namespace: Namespace,
        id: String,
        resource: Resource,
    ) -> Result<(), StoreError> {
        self.change_lease(namespace, id, move |resources| {
            resources.retain(|held| *held != resource);
        })
        .await
    }

    /// Ends the leases whose time (containerd's label `containerd.io/gc.expire`, RFC 3339) has come:
    /// their clients died before they could. Gives how many.
    ///
    /// # Errors
    /// The database cannot be used.
    pub(crate) async fn expire_leases(&self, now: Timestamp) -> Result<usize, StoreError> {
        let expired: Vec<String> = {
            let read = self.database.begin_read().map_err(database)?;
            let table = read.open_table(LEASES).map_err(database)?;
            let all = scan::<Lease>(&table, "")?.into_iter();
            all.filter(|(_, lease)| lease.expires().is_some_and(|at| at <= now))
                .map(|(key, _)| key)
                .collect()
        };
        if expired.is_empty() {
            return Ok(0);
        }
        let change = move |write: &WriteTransaction| {
            let mut table = write.open_table(LEASES).map_err(database)?;
            for key in &expired {
                table.remove(key.as_str()).map_err(database)?;
            }
            Ok(expired.len())
        };
        self.writer.write(change).await
    }

    async fn change_lease(
        &self,
        namespace: Namespace,
        id: String,
        change: impl FnOnce(&mut Vec<Resource>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let change = move |write: &WriteTransaction| {
            let key = key(&namespace, &id);
            let mut table = write.open_table(LEASES).map_err(database)?;
            let Some(mut lease) = get::<Lease>(&table, &key)? else {
                return Err(StoreError::NoLease(id));
            };
            change(&mut lease.resources);
            put(&mut table, &key, &encode(&lease))
        };
        self.writer.write(change).await
    }
}
