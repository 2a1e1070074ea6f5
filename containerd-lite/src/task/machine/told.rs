//! What shims answer and show, and what is done about it. Nothing here is refused: it has happened.

use super::{Effect, Op, Outcome, Sight, State};
use crate::task::process::{Exit, Phase, Process, ProcessId, Processes};

pub(super) fn did(state: State, op: Op, outcome: Outcome) -> (State, Vec<Effect>) {
    match (state, op, outcome) {
        (State::Creating, Op::Create(stdio), Outcome::Done(pid)) => {
            let processes = Processes::new(Process::created(pid, stdio));
            (State::Live(processes), vec![Effect::Record])
        }
        (State::Creating, Op::Create(_), Outcome::Failed) => (State::Cleaning, vec![Effect::Clean]),
        (State::Live(_) | State::Deleting(_), Op::Delete, Outcome::Done(_)) => {
            (State::Cleaning, vec![Effect::Clean])
        }
        (State::Live(processes), op, Outcome::Done(pid)) => {
            (State::Live(apply(processes, op, pid)), vec![Effect::Record])
        }
        (State::Deleting(processes), Op::Delete, Outcome::Failed) => {
            (State::Live(processes), vec![])
        }
        (State::Deleting(processes), op, Outcome::Done(pid)) => {
            (State::Deleting(apply(processes, op, pid)), vec![])
        }
        (State::Burying { processes, .. }, Op::Delete, Outcome::Done(_)) => {
            let deleted = true;
            (State::Burying { processes, deleted }, vec![])
        }
        // The shim was buried while the call ran: what it did is over.
        (state, _, _) => (state, vec![]),
    }
}

/// What a successful call changes. An event may have told more already, and is never undone.
fn apply(mut processes: Processes, op: Op, pid: u32) -> Processes {
    match op {
        Op::Start(id) => started(&mut processes, &id, pid),
        Op::Exec(id, stdio) => {
            processes
                .execs
                .entry(id)
                .or_insert_with(|| Process::created(0, stdio));
        }
        Op::Pause => turn(&mut processes.init, Phase::Running, Phase::Paused),
        Op::Resume => turn(&mut processes.init, Phase::Paused, Phase::Running),
        Op::DeleteExec(id) => {
            processes.execs.remove(&id);
        }
        Op::Create(_) | Op::Delete => {}
    }
    processes
}

fn started(processes: &mut Processes, id: &ProcessId, pid: u32) {
    if let Some(process) = processes.get_mut(id) {
        if pid != 0 {
            process.pid = pid;
        }
        turn(process, Phase::Created, Phase::Running);
    }
}

fn turn(process: &mut Process, from: Phase, to: Phase) {
    if process.phase == from {
        process.phase = to;
    }
}

pub(super) fn saw(state: State, sight: Sight) -> (State, Vec<Effect>) {
    match state {
        State::Live(mut processes) => {
            let changed = look(&mut processes, sight);
            let effects = if changed {
                vec![Effect::Record]
            } else {
                vec![]
            };
            (State::Live(processes), effects)
        }
        State::Recovering(mut processes) => {
            let changed = look(&mut processes, sight);
            let effects = if changed {
                vec![Effect::Record]
            } else {
                vec![]
            };
            (State::Recovering(processes), effects)
        }
        State::Deleting(mut processes) => {
            look(&mut processes, sight);
            (State::Deleting(processes), vec![])
        }
        State::Burying {
            mut processes,
            deleted,
        } => {
            look(&mut processes, sight);
            (State::Burying { processes, deleted }, vec![])
        }
        other @ (State::Creating
        | State::Abandoned
        | State::Buried(_)
        | State::Cleaning
        | State::Gone) => (other, vec![]),
    }
}

/// Takes an event in; whether it told anything new.
fn look(processes: &mut Processes, sight: Sight) -> bool {
    let before = processes.clone();
    match sight {
        Sight::Started { process, pid } => started(processes, &process, pid),
        Sight::Exited { process, exit } => {
            if let Some(process) = processes.get_mut(&process)
                && process.exit().is_none()
            {
                process.phase = Phase::Stopped(exit);
            }
        }
        Sight::Paused => turn(&mut processes.init, Phase::Running, Phase::Paused),
        Sight::Resumed => turn(&mut processes.init, Phase::Paused, Phase::Running),
    }
    *processes != before
}

pub(super) fn reached(state: State, report: Option<Processes>) -> (State, Vec<Effect>) {
    match (state, report) {
        (State::Recovering(_), Some(processes)) => (State::Live(processes), vec![Effect::Record]),
        // The shim deleted it, and its client was told or has gone.
        (State::Recovering(_), None) | (State::Abandoned, _) => {
            (State::Cleaning, vec![Effect::Clean])
        }
        (state, _) => (state, vec![]),
    }
}

pub(super) fn shim_gone(state: State) -> (State, Vec<Effect>) {
    match state {
        State::Live(processes) | State::Deleting(processes) | State::Recovering(processes) => {
            let deleted = false;
            (State::Burying { processes, deleted }, vec![Effect::Bury])
        }
        State::Abandoned => (State::Cleaning, vec![Effect::Clean]),
        // A call that is under way fails by itself; cleaning expects the shim to end.
        other @ (State::Creating
        | State::Burying { .. }
        | State::Buried(_)
        | State::Cleaning
        | State::Gone) => (other, vec![]),
    }
}

pub(super) fn interred(state: State, exit: Option<Exit>) -> (State, Vec<Effect>) {
    let State::Burying { processes, deleted } = state else {
        return (state, vec![]);
    };
    if deleted {
        return (State::Cleaning, vec![Effect::Clean]);
    }
    let mut processes = processes;
    let mut effects = vec![Effect::Record];
    let last = exit.unwrap_or_else(Exit::unseen);
    // Execs end before the container does.
    for (id, process) in &mut processes.execs {
        if process.exit().is_none() {
            let exit = Exit {
                status: 137,
                ..last
            };
            process.phase = Phase::Stopped(exit);
            let id = ProcessId::Exec(id.clone());
            effects.push(Effect::AnnounceExit(id, process.pid, exit));
        }
    }
    if processes.init.exit().is_none() {
        processes.init.phase = Phase::Stopped(last);
        effects.push(Effect::AnnounceExit(
            ProcessId::Init,
            processes.init.pid,
            last,
        ));
    }
    (State::Buried(processes), effects)
}
