//! The life of one task, as a pure function.
//!
//! ```text
//!            Did(Create, ok)          Asked(Delete)            Did(Delete, ok)
//!  Creating ───────────────▶ Live ◀──────────────▶ Deleting ──────────────────▶ Cleaning ──▶ Gone
//!      │                      ▲ │   Did(Delete, err)  │                            ▲
//!      │ Did(Create, err)     │ │ ShimGone            │ ShimGone                   │
//!      └──────────────────────┼─┼─────────────────────┼────────────────────────────┤
//!                    Reached  │ ▼                     ▼                            │
//!                Recovering ──┘ Burying ────────────▶ Buried ──Asked(Delete)───────┘
//!                    │  ShimGone ▲     Interred
//!                    └───────────┘           Abandoned ── Reached, ShimGone ──▶ Cleaning
//! ```
//!
//! A task whose shim died is *buried*: what the shim left is cleaned up, and the task stays as a stopped
//! one, so that its exit is known until a client deletes it.

mod asked;
mod told;

use crate::names::ExecId;

use super::process::{Exit, ProcessId, Processes, Stdio};

/// Where a task is in its life. Data live in the variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The shim is being started and the runtime's `create` runs. Nobody else knows of the task yet.
    Creating,
    /// Found on disk by a new supervisor, but its creation was never acknowledged or it was deleted:
    /// whatever there is of it goes, once it is known whether its shim lives.
    Abandoned,
    /// Found on disk by a new supervisor; its shim has not answered yet.
    Recovering(Processes),
    /// Its shim answers.
    Live(Processes),
    /// The shim was told to delete it.
    Deleting(Processes),
    /// The shim is dead; its remains are being cleaned up. `deleted`: a client's delete had succeeded.
    Burying {
        /// As last known.
        processes: Processes,
        /// Whether nothing stays after the burial.
        deleted: bool,
    },
    /// The shim is dead and its remains are gone; the exits are kept until the task is deleted.
    Buried(Processes),
    /// Deleted for all clients; the shim and the bundle are being removed.
    Cleaning,
    /// Nothing is left. The end.
    Gone,
}

/// What a client may ask that changes the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Make the task.
    Create(Stdio),
    /// Start a process.
    Start(ProcessId),
    /// Add an exec.
    Exec(ExecId, Stdio),
    /// Freeze.
    Pause,
    /// Thaw.
    Resume,
    /// Delete the stopped task.
    Delete,
    /// Delete a stopped exec.
    DeleteExec(ExecId),
}

/// How the shim answered an [`Op`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done; the process's id where there is one, else 0.
    Done(u32),
    /// Refused or failed.
    Failed,
}

/// What a shim's event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// A process was started.
    Started {
        /// Which.
        process: ProcessId,
        /// Its id.
        pid: u32,
    },
    /// A process ended.
    Exited {
        /// Which.
        process: ProcessId,
        /// How.
        exit: Exit,
    },
    /// The container was frozen.
    Paused,
    /// The container was thawed.
    Resumed,
}

/// What happens to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A client asks.
    Asked(Op),
    /// The shim has answered what was asked.
    Did(Op, Outcome),
    /// The shim published an event.
    Saw(Sight),
    /// A recovered shim told its state; `None`: it has no such task.
    Reached(Option<Processes>),
    /// The shim's process has ended.
    ShimGone,
    /// A dead shim's remains are gone. The exit is the container's, where the shim left word of it.
    Interred(Option<Exit>),
    /// Shim and bundle are gone.
    Cleaned,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Send the asked operation to the shim.
    Call,
    /// Write the processes to the bundle.
    Record,
    /// Publish that a process ended.
    AnnounceExit(ProcessId, u32, Exit),
    /// Publish that the task was deleted.
    AnnounceDelete(u32, Exit),
    /// Clean up after a dead shim, then say [`Input::Interred`].
    Bury,
    /// End the shim and remove the bundle, then say [`Input::Cleaned`].
    Clean,
}

/// Why an input is refused. Only what clients ask is ever refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    /// There is no such task (any more).
    #[error("not found")]
    NoTask,
    /// There is no such exec.
    #[error("exec {0}: not found")]
    NoExec(ExecId),
    /// There is an exec of that name.
    #[error("exec {0}: already exists")]
    ExecExists(ExecId),
    /// The process is not in a phase that allows it.
    #[error("cannot {verb} a {phase} {what}: failed precondition")]
    Phase {
        /// What was asked.
        verb: &'static str,
        /// What the process is.
        phase: &'static str,
        /// `container` or `process`.
        what: &'static str,
    },
    /// The shim has not answered since this supervisor started.
    #[error("shim has not answered yet: unavailable")]
    Recovering,
    /// Another client's delete is under way.
    #[error("task is being deleted: failed precondition")]
    Deleting,
}

type Step = Result<(State, Vec<Effect>), Rejected>;

/// The next state, and what is to be done about it.
///
/// # Errors
/// A client asked for what the state does not allow; the state stays.
pub(crate) fn step(state: State, input: Input) -> Step {
    match input {
        Input::Asked(op) => asked::asked(state, op),
        Input::Did(op, outcome) => Ok(told::did(state, op, outcome)),
        Input::Saw(sight) => Ok(told::saw(state, sight)),
        Input::Reached(report) => Ok(told::reached(state, report)),
        Input::ShimGone => Ok(told::shim_gone(state)),
        Input::Interred(exit) => Ok(told::interred(state, exit)),
        Input::Cleaned => Ok(match state {
            State::Cleaning => (State::Gone, vec![]),
            other => (other, vec![]),
        }),
    }
}

impl State {
    /// The processes a client may see; `None` when for clients there is no task.
    pub(crate) fn processes(&self) -> Option<&Processes> {
        match self {
            Self::Recovering(processes)
            | Self::Live(processes)
            | Self::Deleting(processes)
            | Self::Burying {
                processes,
                deleted: false,
            }
            | Self::Buried(processes) => Some(processes),
            Self::Creating
            | Self::Abandoned
            | Self::Burying { deleted: true, .. }
            | Self::Cleaning
            | Self::Gone => None,
        }
    }

    /// Whether the shim can be called.
    pub(crate) fn answers(&self) -> bool {
        matches!(self, Self::Live(_) | Self::Deleting(_))
    }
}

#[cfg(test)]
mod tests;
