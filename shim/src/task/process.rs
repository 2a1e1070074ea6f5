//! One process of the task: the container's own or an exec's.
//!
//! ```text
//! Added ──create/exec──▶ Created ──start──▶ Running ◀──▶ Paused
//!   │                       │                  │            │
//!   └───────failed──────────┴──────ended───────┴────────────┴──▶ Stopped
//! ```
//! An exec has no `Created`: its process runs as soon as it is made. `Stopped` is known (and on
//! disk) before it is announced; [`Process::ended`] resolves at the announcement.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;
use tokio::sync::watch;

use super::error::TaskError;
use crate::exits::Exit;
use crate::stdio::{ChildEnds, Streams};

/// How a process's streams were named by whoever asked for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StdioNames {
    pub(crate) stdin: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) terminal: bool,
}

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Added,
    Created { pid: Pid },
    Running { pid: Pid },
    Paused { pid: Pid },
    Stopped { pid: Option<Pid>, exit: Exit },
}

impl State {
    /// The word in errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added | Self::Created { .. } => "created",
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// The pid, while there is a process or its record.
    pub(crate) fn pid(self) -> Option<Pid> {
        match self {
            Self::Added => None,
            Self::Created { pid } | Self::Running { pid } | Self::Paused { pid } => Some(pid),
            Self::Stopped { pid, .. } => pid,
        }
    }

    /// Whether there is a process.
    pub(crate) fn is_alive(self) -> bool {
        match self {
            Self::Created { .. } | Self::Running { .. } | Self::Paused { .. } => true,
            Self::Added | Self::Stopped { .. } => false,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Process {
    /// The exec's id; empty for the container's own process.
    pub(crate) exec_id: String,
    pub(crate) names: StdioNames,
    pub(crate) streams: Streams,
    /// Held from before a process is made until that was announced: its end comes after.
    pub(crate) announcing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// The ends that the process will inherit, until it is made.
    child: Mutex<Option<ChildEnds>>,
    ended: watch::Sender<Option<Exit>>,
}

impl Process {
    /// A process that is still to be made.
    pub(crate) fn new(
        exec_id: String,
        names: StdioNames,
        streams: Streams,
        child: ChildEnds,
    ) -> Self {
        Self {
            exec_id,
            names,
            streams,
            announcing: tokio::sync::Mutex::new(()),
            state: Mutex::new(State::Added),
            child: Mutex::new(Some(child)),
            ended: watch::Sender::new(None),
        }
    }

    /// Where it is now.
    pub(crate) fn state(&self) -> State {
        *self.lock()
    }

    /// Takes the ends to inherit; a second call finds none.
    pub(crate) fn take_child(&self) -> Result<ChildEnds, TaskError> {
        let child = self
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        child.ok_or_else(|| TaskError::State {
            verb: "start",
            state: self.state().name(),
        })
    }

    /// It was made; unless it has ended already.
    pub(crate) fn made(&self, state: State) {
        let mut current = self.lock();
        if *current == State::Added {
            *current = state;
        }
    }

    /// Moves on by `step`, which refuses states that it does not lead on from.
    pub(crate) fn advance(
        &self,
        step: impl FnOnce(State) -> Result<State, TaskError>,
    ) -> Result<State, TaskError> {
        let mut current = self.lock();
        *current = step(*current)?;
        Ok(*current)
    }

    /// It has ended; others see that, but are not told yet.
    pub(crate) fn stopped(&self, exit: Exit) {
        let mut current = self.lock();
        *current = State::Stopped {
            pid: current.pid(),
            exit,
        };
    }

    /// Tells those who wait.
    pub(crate) fn announce_end(&self, exit: Exit) {
        self.ended.send_replace(Some(exit));
    }

    /// Resolves when the end is announced.
    pub(crate) async fn ended(&self) -> Exit {
        let mut ended = self.ended.subscribe();
        let exit = ended.wait_for(Option::is_some).await.map(|exit| *exit);
        exit.ok().flatten().unwrap_or_else(Exit::unknown)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
