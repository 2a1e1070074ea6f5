//! All containers of the engine: who they are and how to reach the task that owns each.
//!
//! Listing and inspecting read the last published [`View`]; nothing here ever waits for a container.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicBool},
};

use gantry_ids::{ContainerId, EngineId, ImageId};
use gantry_image::{ContainerUse, ImageStore};
use gantry_network::{Endpoint, Networks};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use super::{
    actor::{self, Command},
    error::ContainerError,
    model::Record,
    mounts::Source,
    names::Names,
    place::{PLACE, Place},
    validate::Machine,
};
use crate::{
    config::Config,
    events::{Cause, EventBus, EventKind},
    exec::Execs,
    runtime::{Supervisor, watermark::Watermark},
    store::{Batch, Store, StoreError, Table},
    volume::Volumes,
};

/// Commands that may wait for a container's owner.
const QUEUE: usize = 64;

/// What containers are made of and work with.
#[derive(Debug)]
pub struct Parts {
    /// Shared with the engine, which a reload changes.
    pub config: Arc<RwLock<Arc<Config>>>,
    pub store: Store,
    pub supervisor: Supervisor,
    /// How far the supervisor's journal has been handled.
    pub watermark: Watermark,
    /// The machine goes down: ends are its doing, and no policy restarts a container.
    pub halting: AtomicBool,
    /// What is being taken down of removed containers.
    pub teardowns: TaskTracker,
    pub images: Arc<ImageStore>,
    pub networks: Arc<Networks>,
    pub volumes: Volumes,
    pub events: Arc<EventBus>,
    pub engine: EngineId,
    pub machine: Machine,
    /// Major and minor version of the kernel.
    pub kernel: (u32, u32),
    pub machine_name: String,
    /// The embedded init, written at the engine's start.
    pub init: Option<PathBuf>,
    /// `/etc/passwd` and `/etc/group` of images, which never change.
    pub accounts: Mutex<HashMap<ImageId, (String, String)>>,
}

impl Parts {
    /// The configuration as it is now.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A container's durable directory.
    #[must_use]
    pub fn dir(&self, id: &ContainerId) -> PathBuf {
        self.config().data_root.join("containers").join(id.as_str())
    }

    /// The directory of its writable layer.
    #[must_use]
    pub fn rw(&self, id: &ContainerId) -> PathBuf {
        self.dir(id).join("rw")
    }

    /// The socket of its streams.
    #[must_use]
    pub fn io_socket(&self, id: &ContainerId) -> PathBuf {
        crate::runtime::stdio::socket_path(&self.config().io_dir(), id)
    }

    /// Writes a batch, and with it how far the supervisor's journal has been handled.
    ///
    /// # Errors
    /// Nothing of it is written then.
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.store.commit(self.with_place(batch)).await
    }

    /// The same for the state of a run, which need not survive the machine ([`Store::commit_soon`]).
    ///
    /// # Errors
    /// Nothing of it is written then.
    pub async fn commit_soon(&self, batch: Batch) -> Result<(), StoreError> {
        self.store.commit_soon(self.with_place(batch)).await
    }

    fn with_place(&self, batch: Batch) -> Batch {
        match self.watermark.place() {
            Some(at) => batch.put(Table::Engine, PLACE, Place::encode(at)),
            None => batch,
        }
    }

    /// Tells the world, with docker's attributes.
    pub fn announce(&self, record: &Record, action: &str, more: &[(&str, String)]) {
        let attributes = attributes(record, more);
        self.events
            .publish(EventKind::Container, action, record.id.as_str(), attributes);
    }

    /// The same for what an entry of the journal has caused.
    pub fn announce_caused(&self, record: &Record, action: &str, cause: &Cause) {
        let actor = (record.id.as_str(), Some(cause.clone()));
        self.events
            .publish_caused(EventKind::Container, action, actor, attributes(record, &[]));
    }

    /// Tells the world that a container's process has ended, which ran from one time to the other.
    pub fn announce_end(
        &self,
        record: &Record,
        code: u32,
        (started, finished): (Timestamp, Timestamp),
    ) {
        let lasted = finished.duration_since(started).as_secs().max(0);
        let more = [
            ("execDuration", lasted.to_string()),
            ("exitCode", code.to_string()),
        ];
        self.announce(record, "die", &more);
    }

    /// Tells the world that a container has mounted or unmounted its volumes.
    pub fn announce_volumes(&self, record: &Record, action: &str) {
        for mount in &record.mounts {
            let Source::Volume { name, driver, .. } = &mount.source else {
                continue;
            };
            let mut attributes = vec![
                ("container", record.id.to_string()),
                ("driver", driver.clone()),
            ];
            if action == "mount" {
                attributes.extend([
                    ("destination", mount.target.clone()),
                    ("propagation", String::new()),
                    ("read/write", mount.writable.to_string()),
                ]);
            }
            let attributes = attributes
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value));
            self.events
                .publish(EventKind::Volume, action, name, attributes);
        }
    }

    /// Tells the world that a container has joined or left a network.
    pub fn announce_network(&self, action: &str, endpoint: &Endpoint) {
        let driver = self.networks.driver(&endpoint.network_name);
        let attributes = [
            ("container", endpoint.container.to_string()),
            ("name", endpoint.network_name.clone()),
            ("type", driver.unwrap_or_default()),
        ];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value));
        let network = endpoint.network.as_str();
        self.events
            .publish(EventKind::Network, action, network, attributes);
    }
}

/// Docker's attributes of a container's event.
pub(super) fn attributes(record: &Record, more: &[(&str, String)]) -> Vec<(String, String)> {
    let labels = record.config.labels.iter();
    let mut attributes: Vec<(String, String)> =
        labels.map(|(k, v)| (k.clone(), v.clone())).collect();
    attributes.push(("image".to_owned(), record.config.image.clone()));
    attributes.push(("name".to_owned(), record.name.to_string()));
    let more = more.iter();
    attributes.extend(more.map(|(key, value)| ((*key).to_owned(), value.clone())));
    attributes
}

/// A container as it was last published.
#[derive(Debug, Clone)]
pub struct View {
    pub record: Arc<Record>,
    /// How often its process has ended since the engine's start.
    pub exits: u64,
    /// Its record is durably gone.
    pub removed: bool,
}

/// How to reach a container's owner.
#[derive(Debug, Clone)]
pub struct Handle {
    pub id: ContainerId,
    /// Boxed: a channel has room for 32 of them from its beginning on.
    commands: mpsc::Sender<Box<Command>>,
    pub(super) view: watch::Receiver<View>,
    pub execs: Execs,
}

impl Handle {
    /// The container as it is.
    #[must_use]
    pub fn record(&self) -> Arc<Record> {
        Arc::clone(&self.view.borrow().record)
    }

    /// A receiver of every later state.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// [`ContainerError::Gone`] once the container is removed; else the command's own.
    pub(super) async fn call<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, ContainerError>>) -> Command,
    ) -> Result<T, ContainerError> {
        let (reply, answer) = oneshot::channel();
        let gone = || ContainerError::Gone(self.id.clone());
        self.commands
            .send(Box::new(command(reply)))
            .await
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Sends a command that nobody waits for. One that finds the owner gone has nothing left to do.
    pub(super) async fn tell(&self, command: Command) {
        drop(self.commands.send(Box::new(command)).await);
    }
}

/// The containers; clones share them.
#[derive(Debug, Clone)]
pub struct Containers {
    pub parts: Arc<Parts>,
    pub names: Names,
    table: Arc<RwLock<BTreeMap<ContainerId, Handle>>>,
}

impl Containers {
    /// An engine without containers.
    #[must_use]
    pub fn new(parts: Arc<Parts>) -> Self {
        Self {
            parts,
            names: Names::default(),
            table: Arc::default(),
        }
    }

    /// Waits until all that was answered so far survives a power cut.
    ///
    /// # Errors
    /// The disk does not take it.
    pub async fn sync(&self) -> Result<(), StoreError> {
        self.parts.store.commit(Batch::default()).await
    }

    /// Starts the owner of a record that is written and whose name is reserved.
    pub(super) fn adopt(&self, record: Record, task_left: bool) -> Handle {
        let (commands, inbox) = mpsc::channel(QUEUE);
        let id = record.id.clone();
        let record = Arc::new(record);
        let view = View {
            record: Arc::clone(&record),
            exits: 0,
            removed: false,
        };
        let (publish, view) = watch::channel(view);
        let handle = Handle {
            id: id.clone(),
            commands,
            view,
            execs: Execs::default(),
        };
        // The table knows the container before its owner can remove it again.
        self.table
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, handle.clone());
        let owner = actor::Actor::new(self.clone(), record, publish, handle.clone(), task_left);
        tokio::spawn(owner.run(inbox));
        handle
    }

    /// Forgets a container whose record is gone.
    pub(super) fn forget(&self, id: &ContainerId) {
        self.table
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        self.names.release(id);
    }

    /// The container that `reference` means.
    ///
    /// # Errors
    /// dockerd's `No such container: …` or an ambiguous prefix.
    pub fn find(&self, reference: &str) -> Result<Handle, ContainerError> {
        let id = self.names.resolve(reference)?;
        self.by_id(id.as_str())
            .ok_or_else(|| super::names::LookupError::NoSuchContainer(reference.to_owned()).into())
    }

    /// The container with this full id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<Handle> {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// All containers.
    #[must_use]
    pub fn handles(&self) -> Vec<Handle> {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// All containers as they are.
    #[must_use]
    pub fn records(&self) -> Vec<Arc<Record>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.values().map(Handle::record).collect()
    }

    /// Full ids of the containers that mount a volume.
    #[must_use]
    pub fn users_of_volume(&self, name: &str) -> Vec<String> {
        self.records()
            .into_iter()
            .filter(|record| {
                record.mounts.iter().any(|mount| {
                    matches!(&mount.source, Source::Volume { name: used, .. } if used == name)
                })
            })
            .map(|record| record.id.to_string())
            .collect()
    }

    /// The containers of an image, for its removal.
    #[must_use]
    pub fn uses_of_image(&self, image: &ImageId) -> Vec<ContainerUse> {
        self.records()
            .into_iter()
            .filter(|record| record.image == *image || record.mounts_image(image))
            .map(|record| ContainerUse {
                id: record.id.clone(),
                running: record.life.counts_as_running(),
            })
            .collect()
    }
}
