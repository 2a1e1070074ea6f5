//! The task that owns one container.
//!
//! Commands come one after another over a bounded channel, so that nothing about a container ever
//! happens twice at once. Each step is written before it is published, and published before the
//! caller is answered. What a command does is in the modules beside this one (`start`, `exit`,
//! `remove`, `operate`); here is the loop.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use gantry_engine_api::host_config::UpdateRequest;
use gantry_ids::{ContainerName, Signal};
use gantry_stdio::Attach;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
};

use super::{
    error::ContainerError,
    membership::Join,
    model::Record,
    registry::{Containers, Handle, Parts, View},
    remove::RemoveOptions,
};
use crate::{
    events::Cause,
    runtime::watermark::Pending,
    store::{Batch, StoreError, Table},
};

/// How long an ended task waits for the removal that was announced.
pub(super) const REMOVAL_LIMIT: Duration = Duration::from_secs(1);

/// A client's stream that is on its way: it is handed over once the client was answered, and a start
/// waits for it. The bytes are stdin that arrived with the request.
pub type Expected = oneshot::Receiver<(OwnedFd, Vec<u8>)>;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, ContainerError>>;

/// What a container's owner is told to do, or told.
#[derive(Debug)]
pub(super) enum Command {
    Start(Reply<()>),
    /// The process ended.
    Exited(ExitNews),
    /// The kernel killed a process for lack of memory.
    Oom {
        cause: Cause,
        pending: Pending,
    },
    Kill {
        signal: Signal,
        reply: Reply<()>,
    },
    /// The user wants it stopped: the policy stays away. Answers whether there is a process.
    StopWanted(Reply<bool>),
    /// The same, and it is removed next.
    RemovalWanted(Reply<bool>),
    Pause(Reply<()>),
    Unpause(Reply<()>),
    Rename {
        name: ContainerName,
        reply: Reply<()>,
    },
    Update {
        request: Box<UpdateRequest>,
        reply: Reply<()>,
    },
    /// Join a network.
    Connect {
        join: Box<Join>,
        reply: Reply<()>,
    },
    /// Leave the network of this name.
    Disconnect {
        network: String,
        reply: Reply<()>,
    },
    Remove {
        options: RemoveOptions,
        reply: Reply<()>,
    },
    Attach {
        attach: Attach,
        stream: Expected,
        reply: Reply<()>,
    },
    /// The machine goes down; answers whether there is a process to end.
    HaltWanted(Reply<bool>),
    /// The supervisor holds a task of a run that never was: the engine's start found it.
    ForgetTask,
    /// A back-off is over; it counts only if it is the last one.
    RestartDue {
        serial: u64,
    },
}

/// What is known of a process's end.
#[derive(Debug)]
pub(super) struct ExitNews {
    pub(super) code: u32,
    pub(super) at: Option<Timestamp>,
    /// Whose it was; none where only the container is known.
    pub(super) pid: Option<u32>,
    /// The entry that tells it is asked for again unless this was handled.
    pub(super) pending: Option<Pending>,
}

impl ExitNews {
    /// The end of whatever process the container has.
    pub(super) fn of(code: u32, at: Option<Timestamp>) -> Self {
        Self {
            code,
            at,
            pid: None,
            pending: None,
        }
    }
}

/// The owner's state: the record, and what is only of this run.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) all: Containers,
    /// As it is written; readers share it.
    pub(super) record: Arc<Record>,
    publish: watch::Sender<View>,
    pub(super) handle: Handle,
    /// Clients that attached before the start.
    pub(super) pending: Vec<(Attach, Expected)>,
    /// The supervisor may still hold a task of the last run.
    pub(super) task_left: bool,
    /// A removal follows the end of the process, and takes the task with it.
    pub(super) removal_wanted: bool,
    /// The task has ended, and is deleted if nothing is asked for so long.
    pub(super) task_rests: Option<Duration>,
    /// Memory ran out since the last start.
    pub(super) oom: bool,
    pub(super) exits: u64,
    /// The last back-off.
    pub(super) delay: Option<Duration>,
    pub(super) restart: Option<(u64, AbortHandle)>,
    pub(super) serial: u64,
    pub(super) removed: bool,
}

impl Actor {
    pub(super) fn new(
        all: Containers,
        record: Arc<Record>,
        publish: watch::Sender<View>,
        handle: Handle,
        task_left: bool,
    ) -> Self {
        let oom = record.oom;
        Self {
            all,
            record,
            publish,
            handle,
            pending: Vec::new(),
            task_left,
            removal_wanted: false,
            task_rests: None,
            oom,
            exits: 0,
            delay: None,
            restart: None,
            serial: 0,
            removed: false,
        }
    }

    pub(super) fn parts(&self) -> Arc<Parts> {
        Arc::clone(&self.all.parts)
    }

    /// Obeys until the container is removed. What a command does takes many times the memory of waiting
    /// for the next one, so it has a place of its own, which goes when it is done.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Box<Command>>) {
        while let Some(command) = self.next(&mut inbox).await {
            Box::pin(self.obey(*command)).await;
            if self.removed {
                break;
            }
        }
    }

    /// The next command; an ended task is deleted when none comes.
    async fn next(&mut self, inbox: &mut mpsc::Receiver<Box<Command>>) -> Option<Box<Command>> {
        while let Some(rest) = self.task_rests {
            if let Ok(command) = tokio::time::timeout(rest, inbox.recv()).await {
                return command;
            }
            self.task_rests = None;
            Box::pin(self.delete_ended()).await;
        }
        inbox.recv().await
    }

    async fn obey(&mut self, command: Command) {
        // A caller that went away is no reason to stop half-way: answers are dropped then.
        match command {
            Command::Start(reply) => drop(reply.send(self.start_by_user().await)),
            Command::Exited(news) => self.exited(news).await,
            Command::Oom { cause, pending } => {
                self.out_of_memory(&cause).await;
                drop(pending);
            }
            Command::Kill { signal, reply } => drop(reply.send(self.kill(signal).await)),
            Command::StopWanted(reply) => drop(reply.send(self.stop_wanted().await)),
            Command::HaltWanted(reply) => drop(reply.send(Ok(self.halt_wanted()))),
            Command::RemovalWanted(reply) => {
                let wanted = self.stop_wanted().await;
                self.removal_wanted = wanted.is_ok();
                drop(reply.send(wanted));
            }
            Command::Pause(reply) => drop(reply.send(self.pause().await)),
            Command::Unpause(reply) => drop(reply.send(self.unpause().await)),
            Command::Rename { name, reply } => drop(reply.send(self.rename(name).await)),
            Command::Update { request, reply } => drop(reply.send(self.update(&request).await)),
            Command::Connect { join, reply } => drop(reply.send(self.connect(*join).await)),
            Command::Disconnect { network, reply } => {
                drop(reply.send(self.disconnect(&network).await));
            }
            Command::Remove { options, reply } => drop(reply.send(self.remove(options).await)),
            Command::Attach {
                attach,
                stream,
                reply,
            } => self.attach(attach, stream, reply),
            Command::ForgetTask => self.forget_task().await,
            Command::RestartDue { serial } => self.restart_due(serial).await,
        }
    }

    /// Writes the record as it would be after `change`, then takes it over and publishes it.
    ///
    /// # Errors
    /// [`ContainerError::Persist`]; nothing has changed then.
    pub(super) async fn persist(
        &mut self,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), ContainerError> {
        let (next, batch) = self.changed(change);
        self.settle(next, self.all.parts.commit(batch).await)
    }

    /// The same for the state of a run: it survives a kill of the engine, as the run does (ADR 28).
    ///
    /// # Errors
    /// As [`Self::persist`].
    pub(super) async fn persist_run(
        &mut self,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), ContainerError> {
        let (next, batch) = self.changed(change);
        self.settle(next, self.all.parts.commit_soon(batch).await)
    }

    fn changed(&self, change: impl FnOnce(&mut Record)) -> (Record, Batch) {
        let mut next = Record::clone(&self.record);
        change(&mut next);
        let batch = Batch::default().put(Table::Containers, next.id.as_str(), next.encode());
        (next, batch)
    }

    fn settle(
        &mut self,
        next: Record,
        written: Result<(), StoreError>,
    ) -> Result<(), ContainerError> {
        written.map_err(|source| ContainerError::Persist {
            id: self.record.id.clone(),
            source,
        })?;
        self.record = Arc::new(next);
        Ok(())
    }

    /// Lets readers see the record as it is now.
    pub(super) fn publish(&self) {
        self.publish.send_replace(View {
            record: Arc::clone(&self.record),
            exits: self.exits,
            removed: self.removed,
        });
    }
}
