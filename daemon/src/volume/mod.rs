//! Volumes of the local driver: directories that outlive containers.
//!
//! `<data-root>/volumes/<name>/_data`, with a record each. Listings answer from memory. Who uses a
//! volume is told by the caller (the containers' records are the truth). A volume with options
//! (`type`, `device`, `o`) is a mount of its own while containers that use it run ([`local`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use gantry_engine_api::{List, Map, volume::Volume};
use gantry_ids::VolumeName;
use gantry_telemetry::failpoint;

use crate::{
    events::{EventBus, EventKind},
    store::{Batch, Store, Table},
};

mod error;
mod failpoints;
mod holding;
pub mod local;
mod moving;
mod record;
pub mod subpath;

pub use error::VolumeError;
pub use record::VolumeRecord;
use record::{parse, record};

/// The label that marks a volume whose name the engine made up.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// The engine's volumes; clones share them.
#[derive(Debug, Clone)]
pub struct Volumes {
    root: PathBuf,
    store: Store,
    events: Arc<EventBus>,
    map: Arc<RwLock<BTreeMap<VolumeName, Arc<VolumeRecord>>>>,
    /// For which containers volumes with a mount of their own are mounted.
    holders: Arc<Mutex<BTreeMap<VolumeName, BTreeSet<String>>>>,
}

impl Volumes {
    /// Reads the records.
    ///
    /// # Errors
    /// [`VolumeError::Persist`], [`VolumeError::Record`].
    pub fn open(root: PathBuf, store: Store, events: Arc<EventBus>) -> Result<Self, VolumeError> {
        let loaded = store
            .load(Table::Volumes)
            .map_err(|source| VolumeError::Persist {
                name: String::new(),
                source,
            })?;
        let mut map = BTreeMap::new();
        for (name, bytes) in loaded {
            let record: VolumeRecord = serde_json::from_slice(&bytes)
                .map_err(|source| VolumeError::Record { name, source })?;
            map.insert(record.name.clone(), Arc::new(record));
        }
        let volumes = Self {
            root,
            store,
            events,
            map: Arc::new(RwLock::new(map)),
            holders: Arc::default(),
        };
        for record in volumes.list() {
            // A kill came between the record's new name and the directory's.
            if let Err(error) = volumes.follow(&record) {
                let error = gantry_errors::chain(&error).to_string();
                tracing::error!(volume.name = %record.name, error, "a volume has lost its directory");
            }
        }
        Ok(volumes)
    }

    /// A volume's directory.
    #[must_use]
    pub fn path(&self, name: &VolumeName) -> PathBuf {
        self.root.join(name.as_str()).join("_data")
    }

    fn lookup(&self, name: &str) -> Option<Arc<VolumeRecord>> {
        self.map
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// The volume of this name; made if it is not there. An empty name is made up.
    ///
    /// Answers whether it is new.
    ///
    /// # Errors
    /// [`VolumeError`].
    pub async fn ensure(
        &self,
        name: &str,
        driver: &str,
        options: &Map<String>,
        labels: &BTreeMap<String, String>,
    ) -> Result<(Arc<VolumeRecord>, bool), VolumeError> {
        if !matches!(driver, "" | "local") {
            let (name, driver) = (name.to_owned(), driver.to_owned());
            return Err(VolumeError::Driver { name, driver });
        }
        let anonymous = name.is_empty();
        let name = if anonymous {
            VolumeName::generate()
        } else {
            parse(name)?
        };
        let record = record(name, anonymous, options, labels)?;
        self.find_or_add(record).await
    }

    /// The volume of one container, under a name that was made up for it.
    ///
    /// # Errors
    /// [`VolumeError`].
    pub async fn ensure_anonymous(
        &self,
        name: &str,
        driver: &str,
        options: &Map<String>,
        labels: &BTreeMap<String, String>,
    ) -> Result<Arc<VolumeRecord>, VolumeError> {
        if !matches!(driver, "" | "local") {
            let (name, driver) = (name.to_owned(), driver.to_owned());
            return Err(VolumeError::Driver { name, driver });
        }
        let record = record(parse(name)?, true, options, labels)?;
        Ok(self.find_or_add(record).await?.0)
    }

    async fn find_or_add(
        &self,
        record: VolumeRecord,
    ) -> Result<(Arc<VolumeRecord>, bool), VolumeError> {
        match self.lookup(record.name.as_str()) {
            Some(found) => Ok((found, false)),
            None => self.add(record).await,
        }
    }

    async fn add(&self, record: VolumeRecord) -> Result<(Arc<VolumeRecord>, bool), VolumeError> {
        let name = record.name.clone();
        let path = self.path(&name);
        make(&path).map_err(|source| VolumeError::Directory {
            step: "make the directory of",
            name: name.to_string(),
            source,
        })?;
        let bytes = serde_json::to_vec(&record).expect("a record has string keys only");
        let record = Arc::new(record);
        {
            let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(other) = map.get(&name) {
                // Another request was faster.
                return Ok((Arc::clone(other), false));
            }
            map.insert(name.clone(), Arc::clone(&record));
        }
        let batch = Batch::default().put(Table::Volumes, name.as_str(), bytes);
        if let Err(source) = self.store.commit(batch).await {
            self.map
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&name);
            return Err(VolumeError::Persist {
                name: name.to_string(),
                source,
            });
        }
        failpoint(failpoints::RECORDED)?;
        self.announce("create", &name);
        Ok((record, true))
    }

    fn announce(&self, action: &str, name: &VolumeName) {
        let attributes = [("driver".to_owned(), "local".to_owned())];
        self.events
            .publish(EventKind::Volume, action, name.as_str(), attributes);
    }

    /// One volume.
    ///
    /// # Errors
    /// [`VolumeError::NoSuchVolume`].
    pub fn get(&self, name: &str) -> Result<Arc<VolumeRecord>, VolumeError> {
        self.lookup(name)
            .ok_or_else(|| VolumeError::NoSuchVolume(name.to_owned()))
    }

    /// All volumes, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<VolumeRecord>> {
        self.map
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// Removes a volume that none of `users` uses.
    ///
    /// # Errors
    /// [`VolumeError::NoSuchVolume`], [`VolumeError::InUse`].
    pub async fn remove(&self, name: &str, users: &[String]) -> Result<(), VolumeError> {
        let record = self.get(name)?;
        if !users.is_empty() {
            return Err(VolumeError::InUse {
                step: "remove",
                name: name.to_owned(),
                users: users.join(", "),
            });
        }
        let persist = |source| VolumeError::Persist {
            name: name.to_owned(),
            source,
        };
        // What is mounted there is not the engine's to remove.
        let failed = |source| VolumeError::Directory {
            step: "unmount",
            name: name.to_owned(),
            source,
        };
        let data = self.path(&record.name);
        local::unmount(&data).map_err(failed)?;
        // The record goes last: a removal that was cut short can be repeated.
        let dir = self.root.join(record.name.as_str());
        let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(dir)).await;
        match removed.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                let name = name.to_owned();
                return Err(VolumeError::Directory {
                    step: "remove the directory of",
                    name,
                    source,
                });
            }
            Ok(()) | Err(_) => {}
        }
        failpoint(failpoints::EMPTIED)?;
        self.store
            .commit(Batch::default().delete(Table::Volumes, name))
            .await
            .map_err(persist)?;
        self.map
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&record.name);
        self.announce("destroy", &record.name);
        Ok(())
    }

    /// As the API tells it.
    #[must_use]
    pub fn to_api(&self, record: &VolumeRecord) -> Volume {
        let mut volume = Volume {
            created_at: format!("{:.0}", record.created),
            driver: "local".to_owned(),
            mountpoint: self.path(&record.name).display().to_string(),
            name: record.name.to_string(),
            scope: "local".to_owned(),
            ..Volume::default()
        };
        if !record.labels.is_empty() {
            volume.labels = record.labels.clone().into();
        }
        if !record.options.is_empty() {
            volume.options = record.options.clone().into();
        }
        volume
    }

    /// Warnings of a listing.
    #[must_use]
    pub fn warnings() -> List<String> {
        List::default()
    }
}

/// The data may be anyone's; its parent is the engine's alone.
fn make(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o701)
            .create(parent)?;
    }
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
