//! Containers' definitions.

use jiff::Timestamp;
use redb::{ReadableDatabase, ReadableTable, WriteTransaction};

use super::namespaces::{ensure, merge};
use super::record::Container;
use super::tables::{CONTAINERS, SPECS, encode, get, key, scan};
use super::{Store, StoreError, When, database};
use crate::names::{ContainerId, Key, Namespace};
use crate::typed::Typed;

/// A field that an update may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// All labels.
    Labels,
    /// One label.
    Label(String),
    /// The image's reference.
    Image,
    /// The spec.
    Spec,
    /// The snapshot's key.
    SnapshotKey,
    /// All extensions.
    Extensions,
    /// One extension.
    Extension(String),
    /// The sandbox.
    Sandbox,
}

/// An update: the values, and which of them are meant.
#[derive(Clone, Debug)]
pub(crate) struct ContainerChange {
    /// The values.
    pub(crate) container: Container,
    /// The spec, when it is meant.
    pub(crate) spec: Vec<u8>,
    /// What is changed.
    pub(crate) fields: Vec<Field>,
}

impl Store {
    /// A definition with its spec.
    ///
    /// # Errors
    /// There is no such container.
    pub(crate) fn container_and_spec(&self, of: &Key) -> Result<(Container, Typed), StoreError> {
        let read = self.database.begin_read().map_err(database)?;
        let key = key(&of.namespace, of.id.as_str());
        let table = read.open_table(CONTAINERS).map_err(database)?;
        let container: Container = get(&table, &key)?.ok_or_else(|| missing(of))?;
        let specs = read.open_table(SPECS).map_err(database)?;
        let spec = specs.get(key.as_str()).map_err(database)?;
        let spec = Typed {
            url: container.spec_url.clone(),
            value: spec.map(|spec| spec.value().to_vec()).unwrap_or_default(),
        };
        Ok((container, spec))
    }

    /// All containers of a namespace, by id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn containers(&self, namespace: &Namespace) -> Result<Vec<Container>, StoreError> {
        let read = self.database.begin_read().map_err(database)?;
        let table = read.open_table(CONTAINERS).map_err(database)?;
        let all = scan(&table, &format!("{namespace}/"))?;
        Ok(all.into_iter().map(|(_, container)| container).collect())
    }

    /// Adds a definition and answers `when` told; its namespace comes into being with it.
    ///
    /// # Errors
    /// A container of that id exists.
    pub(crate) async fn create_container(
        &self,
        namespace: Namespace,
        container: Container,
        spec: Vec<u8>,
        when: When,
    ) -> Result<(), StoreError> {
        let change = move |write: &WriteTransaction| {
            let key = key(&namespace, container.id.as_str());
            let mut table = write.open_table(CONTAINERS).map_err(database)?;
            if table.get(key.as_str()).map_err(database)?.is_some() {
                return Err(StoreError::ContainerExists(container.id));
            }
            ensure(write, &namespace)?;
            put(&mut table, &key, &encode(&container))?;
            let mut specs = write.open_table(SPECS).map_err(database)?;
            put(&mut specs, &key, &spec)
        };
        self.writer.write_until(when, change).await
    }

    /// Changes a definition and gives what it is then.
    ///
    /// # Errors
    /// There is no such container.
    pub(crate) async fn update_container(
        &self,
        of: Key,
        change: ContainerChange,
    ) -> Result<Container, StoreError> {
        let change = move |write: &WriteTransaction| {
            let key = key(&of.namespace, of.id.as_str());
            let mut table = write.open_table(CONTAINERS).map_err(database)?;
            let old: Container = get(&table, &key)?.ok_or_else(|| missing(&of))?;
            let new = apply(old, &change);
            put(&mut table, &key, &encode(&new))?;
            if change.fields.contains(&Field::Spec) {
                let mut specs = write.open_table(SPECS).map_err(database)?;
                put(&mut specs, &key, &change.spec)?;
            }
            Ok(new)
        };
        self.writer.write(change).await
    }

    /// Removes a definition.
    ///
    /// # Errors
    /// There is no such container.
    pub(crate) async fn delete_container(&self, of: Key) -> Result<(), StoreError> {
        let change = move |write: &WriteTransaction| {
            let key = key(&of.namespace, of.id.as_str());
            let mut table = write.open_table(CONTAINERS).map_err(database)?;
            let found = table.remove(key.as_str()).map_err(database)?.is_some();
            if !found {
                return Err(missing(&of));
            }
            let mut specs = write.open_table(SPECS).map_err(database)?;
            specs.remove(key.as_str()).map_err(database)?;
            Ok(())
        };
        self.writer.write(change).await
    }
}

fn apply(mut old: Container, change: &ContainerChange) -> Container {
    let given = &change.container;
    for field in &change.fields {
        match field {
            Field::Labels => old.labels.clone_from(&given.labels),
            Field::Label(label) => {
                old.labels = merge(old.labels, &given.labels, vec![label.clone()]);
            }
            Field::Image => old.image.clone_from(&given.image),
            Field::Spec => old.spec_url.clone_from(&given.spec_url),
            Field::SnapshotKey => old.snapshot_key.clone_from(&given.snapshot_key),
            Field::Extensions => old.extensions.clone_from(&given.extensions),
            Field::Extension(name) => match given.extensions.get(name) {
                Some(value) => {
                    old.extensions.insert(name.clone(), value.clone());
                }
                None => {
                    old.extensions.remove(name);
                }
            },
            Field::Sandbox => old.sandbox.clone_from(&given.sandbox),
        }
    }
    old.updated_at = Timestamp::now();
    old
}

pub(super) fn put(
    table: &mut redb::Table<'_, &'static str, &'static [u8]>,
    key: &str,
    bytes: &[u8],
) -> Result<(), StoreError> {
    table.insert(key, bytes).map_err(database)?;
    Ok(())
}

fn missing(of: &Key) -> StoreError {
    let (id, namespace): (ContainerId, Namespace) = (of.id.clone(), of.namespace.clone());
    StoreError::NoContainer { id, namespace }
}
