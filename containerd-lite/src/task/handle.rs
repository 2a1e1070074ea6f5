//! What the rest of the program holds of a task's actor.

use tokio::sync::{mpsc, oneshot, watch};
use tracing::Span;

use super::error::TaskError;
use super::machine::{Op, Sight, State};
use super::process::{Exit, Process, ProcessId, Stdio};
use crate::names::Key;
use crate::shim::{Client, CreateCall};
use crate::typed::Typed;

/// What a client asks of an actor. Small: each inbox has room for 32 from its beginning on.
#[derive(Debug)]
pub(crate) enum Message {
    /// An operation that changes the state.
    Work(Box<Work>),
    /// An event of the shim, answered once the state shows it.
    Saw(Box<Sight>, oneshot::Sender<()>),
    /// Wants to know how a process ends.
    Wait(Box<ProcessId>, oneshot::Sender<Result<Exit, TaskError>>),
}

/// An operation, what the shim needs for it besides, and who waits for the answer.
#[derive(Debug)]
pub(crate) struct Work {
    pub(super) op: Op,
    pub(super) load: Load,
    pub(super) reply: oneshot::Sender<Result<Answer, TaskError>>,
    /// The call it belongs to, so that a trace shows what waits for what.
    pub(super) span: Span,
}

/// What an operation carries that the state machine does not look at.
#[derive(Debug)]
pub(crate) enum Load {
    /// Nothing.
    None,
    /// `Create`: the container's spec, the runtime's name and the call's arguments.
    Create(Box<CreateLoad>),
    /// `Exec`: the process's spec.
    Process(Typed),
}

/// What `Create` needs.
#[derive(Debug)]
pub(crate) struct CreateLoad {
    /// The runtime specification, for `config.json`.
    pub(crate) spec: Vec<u8>,
    /// The runtime's name, which says which shim.
    pub(crate) runtime: String,
    /// What the shim is told.
    pub(crate) call: CreateCall,
}

/// What an operation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The process's id; 0 where there is none.
    pub(crate) pid: u32,
    /// How it ended, for deletions.
    pub(crate) exit: Option<Exit>,
}

/// What an actor shows.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The task's state.
    pub(crate) state: State,
    /// The shim, when it can be called.
    pub(crate) shim: Option<Client>,
}

/// One task's actor, as others see it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    key: Key,
    inbox: mpsc::Sender<Message>,
    view: watch::Receiver<View>,
}

impl Handle {
    pub(super) fn new(key: Key, inbox: mpsc::Sender<Message>, view: watch::Receiver<View>) -> Self {
        Self { key, inbox, view }
    }

    /// Whose task.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether both are the same task, not two of one name.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.inbox.same_channel(&other.inbox)
    }

    fn no_task(&self) -> TaskError {
        TaskError::NoTask(self.key.id.clone())
    }

    /// What lists show of the container's process: that of a task which is being made has no id yet.
    /// None if clients see no task here.
    pub(crate) fn shown(&self) -> Option<Process> {
        let view = self.view.borrow();
        match &view.state {
            State::Creating => Some(Process::created(0, Stdio::default())),
            state => state.processes().map(|processes| processes.init.clone()),
        }
    }

    /// Returns once the task has been made, or could not be.
    pub(crate) async fn made(&self) {
        let mut view = self.view.clone();
        // An actor that has ended makes nothing.
        let _ = view.wait_for(|view| view.state != State::Creating).await;
    }

    /// Whether the task was deleted and what is left of it is being cleaned up.
    pub(super) fn ending(&self) -> bool {
        match self.view.borrow().state {
            State::Burying { deleted, .. } => deleted,
            State::Abandoned | State::Cleaning | State::Gone => true,
            State::Creating
            | State::Recovering(_)
            | State::Live(_)
            | State::Deleting(_)
            | State::Buried(_) => false,
        }
    }

    /// A process as it is now.
    ///
    /// # Errors
    /// There is no such task or process.
    pub(crate) fn process(&self, id: &ProcessId) -> Result<Process, TaskError> {
        let view = self.view.borrow();
        let processes = view.state.processes().ok_or_else(|| self.no_task())?;
        let process = processes.get(id).cloned();
        process.ok_or_else(|| TaskError::NoProcess {
            task: self.key.id.clone(),
            process: id.clone(),
        })
    }

    /// The shim, for calls that do not change the state.
    ///
    /// # Errors
    /// There is no task, or its shim cannot be called (yet, or any more).
    pub(crate) fn shim(&self) -> Result<Client, TaskError> {
        let view = self.view.borrow();
        if let (true, Some(shim)) = (view.state.answers(), &view.shim) {
            return Ok(shim.clone());
        }
        let source = match &view.state {
            State::Recovering(_) | State::Burying { deleted: false, .. } => {
                super::machine::Rejected::Recovering
            }
            State::Buried(_) => return Err(TaskError::Finished),
            State::Creating
            | State::Abandoned
            | State::Live(_)
            | State::Deleting(_)
            | State::Burying { .. }
            | State::Cleaning
            | State::Gone => return Err(self.no_task()),
        };
        let task = self.key.id.clone();
        Err(TaskError::Rejected { task, source })
    }

    /// Has the actor carry out an operation. It goes on when the caller goes away.
    ///
    /// # Errors
    /// The state does not allow it, or the shim failed.
    pub(crate) async fn ask(&self, op: Op, load: Load) -> Result<Answer, TaskError> {
        let (reply, answer) = oneshot::channel();
        let span = Span::current();
        let work = Work {
            op,
            load,
            reply,
            span,
        };
        let sent = self.inbox.send(Message::Work(Box::new(work))).await;
        sent.map_err(|_| self.no_task())?;
        answer.await.map_err(|_| self.no_task())?
    }

    /// Shows the actor an event of its shim; the state shows it when this returns.
    pub(crate) async fn saw(&self, sight: Sight) {
        let (shown, seen) = oneshot::channel();
        let message = Message::Saw(Box::new(sight), shown);
        if self.inbox.send(message).await.is_ok() {
            // An actor that ended meanwhile has nothing to show it to.
            let _ = seen.await;
        }
    }

    /// Waits for a process to end.
    ///
    /// # Errors
    /// There is no such task or process, or it was deleted before it ran.
    pub(crate) async fn wait(&self, id: ProcessId) -> Result<Exit, TaskError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Wait(Box::new(id), reply);
        let sent = self.inbox.send(message).await;
        sent.map_err(|_| self.no_task())?;
        answer.await.map_err(|_| self.no_task())?
    }

    /// Returns once the task is gone for good.
    pub(crate) async fn gone(&self) {
        self.inbox.closed().await;
    }
}
