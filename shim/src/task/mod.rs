//! The shim's core: one task, that is a container and the processes executed in it. It knows no
//! wire format of requests; the edge ([`crate::service`]) turns them into calls of [`Task`].

mod container;
mod error;
mod exec;
mod follow;
mod held;
mod process;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::control::Control;
use crate::events::Events;
use crate::exits::Exits;
use crate::reaper::Reaper;
use crate::rootfs::Mount;
use crate::runtime::Runtime;
use crate::stdio::Owner;

pub(crate) use container::{Container, number};
pub(crate) use error::TaskError;
pub(crate) use exec::NewExec;
pub(crate) use process::{Process, State, StdioNames};

/// What a shim is for, and what it works with.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) bundle: PathBuf,
    /// Where short-lived sockets can have short names.
    pub(crate) sockets: PathBuf,
    pub(crate) events: Arc<Events>,
    pub(crate) reaper: Arc<Reaper>,
    pub(crate) exits: Exits,
    pub(crate) control: Control,
    /// Told when the shim is to end.
    pub(crate) shutdown: Notify,
    slot: watch::Sender<Slot>,
}

/// Whether there is a container.
#[derive(Debug)]
enum Slot {
    Empty,
    Creating,
    Present(Arc<Container>),
}

/// What `Create` asks for.
#[derive(Debug)]
pub(crate) struct NewContainer {
    pub(crate) runtime: Runtime,
    pub(crate) rootfs: Vec<Mount>,
    pub(crate) names: StdioNames,
    pub(crate) owner: Owner,
}

impl Task {
    /// A task without its container.
    pub(crate) fn new(
        id: String,
        bundle: PathBuf,
        sockets: PathBuf,
        events: Arc<Events>,
        reaper: Arc<Reaper>,
    ) -> Self {
        Self {
            exits: Exits::of(&bundle),
            id,
            bundle,
            sockets,
            events,
            reaper,
            control: Control::default(),
            shutdown: Notify::new(),
            slot: watch::Sender::new(Slot::Empty),
        }
    }

    /// Makes the container; its process waits for `start`.
    pub(crate) async fn create(
        self: &Arc<Self>,
        new: NewContainer,
    ) -> Result<Arc<Container>, TaskError> {
        let free = self.slot.send_if_modified(|slot| {
            let free = matches!(slot, Slot::Empty);
            if free {
                *slot = Slot::Creating;
            }
            free
        });
        if !free {
            return Err(TaskError::TaskExists(self.id.clone()));
        }
        let made = container::create(self, new).await;
        self.slot.send_replace(match &made {
            Ok(container) => Slot::Present(container.clone()),
            Err(_) => Slot::Empty,
        });
        made
    }

    /// Waits while the container is being made.
    pub(crate) async fn settled(&self) {
        let mut slot = self.slot.subscribe();
        // The sender is ours, so there is always an answer.
        let _ = slot.wait_for(|slot| !matches!(slot, Slot::Creating)).await;
    }

    /// The container, if there is one.
    pub(crate) fn container(&self) -> Result<Arc<Container>, TaskError> {
        match &*self.slot.borrow() {
            Slot::Present(container) => Ok(container.clone()),
            Slot::Empty | Slot::Creating => Err(TaskError::NoTask(self.id.clone())),
        }
    }

    /// The process `exec_id`, or the container's own if that is empty.
    pub(crate) fn process(&self, exec_id: &str) -> Result<Arc<Process>, TaskError> {
        self.container()?.process(exec_id)
    }

    /// The container was deleted.
    fn forget(&self) {
        self.slot.send_replace(Slot::Empty);
    }
}
