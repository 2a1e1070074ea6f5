//! What clients ask, and when it is refused.

use super::{Effect, Op, Rejected, State, Step};
use crate::task::process::{Exit, Phase, Process, ProcessId, Processes};

pub(super) fn asked(state: State, op: Op) -> Step {
    let processes = match state {
        State::Creating => {
            return match op {
                Op::Create(_) => Ok((State::Creating, vec![Effect::Call])),
                Op::Start(_)
                | Op::Exec(..)
                | Op::Pause
                | Op::Resume
                | Op::Delete
                | Op::DeleteExec(_) => Err(Rejected::NoTask),
            };
        }
        State::Live(processes) => processes,
        State::Recovering(_) | State::Burying { deleted: false, .. } => {
            return Err(Rejected::Recovering);
        }
        State::Deleting(_) => return Err(Rejected::Deleting),
        State::Buried(processes) => return asked_of_buried(processes, &op),
        State::Abandoned | State::Burying { deleted: true, .. } | State::Cleaning | State::Gone => {
            return Err(Rejected::NoTask);
        }
    };
    let init = processes.init.phase;
    match op {
        Op::Create(_) => Err(refuse("create", init, "container")),
        Op::Start(id) => {
            let process = find(&processes, &id)?;
            match process.phase {
                Phase::Created => Ok((State::Live(processes), vec![Effect::Call])),
                phase => Err(refuse("start", phase, "process")),
            }
        }
        Op::Exec(id, _) if processes.execs.contains_key(&id) => Err(Rejected::ExecExists(id)),
        Op::Exec(..) => match init {
            // A created container takes execs too, as runc does.
            Phase::Running | Phase::Created => Ok((State::Live(processes), vec![Effect::Call])),
            Phase::Paused | Phase::Stopped(_) => Err(refuse("exec in", init, "container")),
        },
        Op::Pause => match init {
            Phase::Running => Ok((State::Live(processes), vec![Effect::Call])),
            Phase::Created | Phase::Paused | Phase::Stopped(_) => {
                Err(refuse("pause", init, "container"))
            }
        },
        Op::Resume => match init {
            Phase::Paused => Ok((State::Live(processes), vec![Effect::Call])),
            Phase::Created | Phase::Running | Phase::Stopped(_) => {
                Err(refuse("resume", init, "container"))
            }
        },
        // The shim may know of an exit that has not been told here yet: it decides.
        Op::Delete => match init {
            Phase::Stopped(_) | Phase::Created => {
                Ok((State::Deleting(processes), vec![Effect::Call]))
            }
            Phase::Running | Phase::Paused => Ok((State::Live(processes), vec![Effect::Call])),
        },
        Op::DeleteExec(id) => {
            find(&processes, &ProcessId::Exec(id))?;
            Ok((State::Live(processes), vec![Effect::Call]))
        }
    }
}

/// A buried task is all stopped: it can be deleted, in whole or an exec of it, and nothing else.
fn asked_of_buried(mut processes: Processes, op: &Op) -> Step {
    let init = processes.init.phase;
    match op {
        Op::Delete => {
            let exit = processes.init.exit().unwrap_or_else(Exit::unseen);
            let announce = Effect::AnnounceDelete(processes.init.pid, exit);
            Ok((State::Cleaning, vec![announce, Effect::Clean]))
        }
        Op::DeleteExec(id) => {
            if processes.execs.remove(id).is_none() {
                return Err(Rejected::NoExec(id.clone()));
            }
            Ok((State::Buried(processes), vec![Effect::Record]))
        }
        Op::Create(_) => Err(refuse("create", init, "container")),
        Op::Start(_) => Err(refuse("start", init, "process")),
        Op::Exec(..) => Err(refuse("exec in", init, "container")),
        Op::Pause => Err(refuse("pause", init, "container")),
        Op::Resume => Err(refuse("resume", init, "container")),
    }
}

fn find<'a>(processes: &'a Processes, id: &ProcessId) -> Result<&'a Process, Rejected> {
    processes.get(id).ok_or_else(|| match id {
        ProcessId::Exec(id) => Rejected::NoExec(id.clone()),
        ProcessId::Init => Rejected::NoTask,
    })
}

fn refuse(verb: &'static str, phase: Phase, what: &'static str) -> Rejected {
    let phase = match phase {
        Phase::Created => "created",
        Phase::Running => "running",
        Phase::Paused => "paused",
        Phase::Stopped(_) => "stopped",
    };
    Rejected::Phase { verb, phase, what }
}
