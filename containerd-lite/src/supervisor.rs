//! The program's parts behind the services, and the one operation that needs several of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry_errors::chain;
use gantry_proto::containerd::runc::v1::Options;
use gantry_proto::containerd::types::Mount;
use gantry_proto::convert::any;
use prost_types::Any;

use crate::event::{Cursor, Event, Journal, Subscription};
use crate::filter::Filter;
use crate::names::{Key, Namespace};
use crate::shim::CreateCall;
use crate::store::Store;
use crate::task::{
    Answer, Claim, Context, CreateLoad, Handle, Load, Op, ProcessId, Stdio, Table, TaskError,
};
use crate::typed::Typed;

/// How long a new task waits for an earlier one of its name to be cleaned up.
const ENDING: Duration = Duration::from_secs(30);
/// How long after its start a supervisor takes new subscribers for returning ones.
const RETURNING: Duration = Duration::from_secs(30);

/// Everything the services work on.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// Definitions.
    pub(crate) store: Store,
    /// Tasks.
    pub(crate) context: Arc<Context>,
    /// The OCI runtime for containers that name none.
    pub(crate) default_runtime: Option<String>,
    /// When this supervisor began, and where the journal ended then.
    pub(crate) began: (Instant, Cursor),
}

impl Supervisor {
    /// All tasks.
    pub(crate) fn tasks(&self) -> &Table {
        &self.context.table
    }

    /// All events.
    pub(crate) fn journal(&self) -> &Journal {
        &self.context.journal
    }

    /// What happens from now on, for a subscriber that has no cursor.
    ///
    /// Stock clients lose their subscription with the supervisor before and come back a moment later;
    /// meanwhile shims have delivered what they had kept. So whoever comes soon is told everything since
    /// this supervisor began.
    pub(crate) fn subscribe(&self, filter: Filter) -> Subscription {
        let (at, cursor) = &self.began;
        let soon = at.elapsed() < RETURNING;
        let resumed = soon.then(|| Subscription::resume(self.journal(), cursor, filter.clone()));
        resumed
            .flatten()
            .unwrap_or_else(|| Subscription::from_now(self.journal(), filter).1)
    }

    /// Publishes what has been made durable. A failure is logged: what happened has happened.
    pub(crate) fn announce(&self, namespace: Namespace, topic: &str, payload: Typed) {
        if let Err(error) = self
            .journal()
            .append(&Event::now(namespace, topic, payload))
        {
            let error = chain(&error).to_string();
            tracing::error!(topic, error, "an event was not published");
        }
    }

    /// The task of a container. One that is being made is waited for: whoever asks for it may follow a
    /// client that died while it waited for the creation, and must not be told that there is nothing.
    ///
    /// # Errors
    /// It has none.
    pub(crate) async fn task(&self, key: &Key) -> Result<Handle, TaskError> {
        let task = self.tasks().get(key);
        let task = task.ok_or_else(|| TaskError::NoTask(key.id.clone()))?;
        task.made().await;
        Ok(task)
    }

    /// Makes the task of a container.
    ///
    /// # Errors
    /// There is no such container, it has a task, or the shim or the runtime failed.
    pub(crate) async fn create_task(
        &self,
        key: &Key,
        stdio: Stdio,
        rootfs: Vec<Mount>,
        options: Option<Typed>,
    ) -> Result<Answer, TaskError> {
        let defined = self.store.container_and_spec(key);
        let (container, spec) = defined.map_err(TaskError::Container)?;
        let options = options.or(container.runtime.options);
        let call = CreateCall {
            rootfs,
            stdio: stdio.clone(),
            options: self.with_default_runtime(options),
        };
        let task = self.claim(key).await?;
        let load = CreateLoad {
            spec: spec.value,
            runtime: container.runtime.name,
            call,
        };
        task.ask(Op::Create(stdio), Load::Create(Box::new(load)))
            .await
    }

    async fn claim(&self, key: &Key) -> Result<Handle, TaskError> {
        loop {
            match self.tasks().claim(key, || self.context.start(key)) {
                Claim::Taken(task) => return Ok(task),
                Claim::Exists => return Err(TaskError::Exists(key.id.clone())),
                Claim::Ending(old) => {
                    let gone = tokio::time::timeout(ENDING, old.gone()).await;
                    gone.map_err(|_| TaskError::Exists(key.id.clone()))?;
                }
            }
        }
    }

    /// Names the default runtime in options that name none. Options of another shim are its own.
    fn with_default_runtime(&self, options: Option<Typed>) -> Option<Typed> {
        let Some(default) = &self.default_runtime else {
            return options;
        };
        let mut known = match &options {
            None => Options::default(),
            Some(options) => match any::unpack::<Options>(&Any::from(options)) {
                Ok(known) => known,
                Err(_) => return Some(options.clone()),
            },
        };
        if known.binary_name.is_empty() {
            known.binary_name.clone_from(default);
        }
        Some(any::pack(&known).into())
    }

    /// Takes in an event of a shim: its task shows it, then it is published, and when this returns
    /// the shim may forget it.
    ///
    /// # Errors
    /// It could not be written down; the shim keeps it and tries again.
    pub(crate) async fn forward(&self, event: Event) -> Result<(), crate::event::JournalError> {
        if let Some((id, sight)) = crate::event::payload::sight(&event.payload) {
            let namespace = event.namespace.clone();
            if let Some(task) = self.tasks().get(&Key { namespace, id }) {
                task.saw(sight).await;
            }
        }
        self.journal().append(&event).map(drop)
    }
}

/// Which process a call is about: an empty exec id means the container's own.
///
/// # Errors
/// The exec id breaks the rule of names.
pub(crate) fn process_id(exec_id: &str) -> Result<ProcessId, crate::names::NameError> {
    if exec_id.is_empty() {
        Ok(ProcessId::Init)
    } else {
        crate::names::ExecId::parse(exec_id).map(ProcessId::Exec)
    }
}
