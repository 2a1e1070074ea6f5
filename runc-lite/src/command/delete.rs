//! `delete`: nothing of the container is left.

use std::fs;
use std::os::fd::AsFd;

use gantry_linux::signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cli::{Flag, Global, Parsed};
use crate::command::{Count, HELP, Verb, container};
use crate::error::{RunError, tell};
use crate::hooks::{self, HookKind};
use crate::log;
use crate::plan::HookPlan;
use crate::spec;
use crate::state::{ContainerDirectory, Record, StateError, Status, Store, open_process};

pub(crate) const DELETE: Verb = Verb {
    name: "delete",
    help: "delete any resources held by the container",
    arguments: "<container-id>",
    flags: &[
        Flag::switch("force", "kill the container if it still runs").short('f'),
        HELP,
    ],
    count: Count::Exactly(1),
    enters: false,
    run: |global, parsed| Ok(delete(global, parsed).map(|()| 0)?),
};

fn delete(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let force = parsed.has("force");
    let store = Store::new(global.root.clone());
    let found = store.open(parsed.id()).and_then(|directory| {
        let lock = directory.lock()?;
        let record = directory.read();
        Ok((directory, record, lock))
    });
    let (directory, record, _lock) = match found {
        Err(StateError::NotFound) if force => return Ok(()),
        other => other?,
    };
    let record = match record {
        // Left by a `create` that was killed half-way.
        Err(StateError::NotFound) if force => return Ok(directory.remove()?),
        other => other?,
    };
    match Status::of(&record, &directory) {
        Status::Stopped => {}
        Status::Created => end(&record)?,
        _ if force => end(&record)?,
        status => {
            return Err(RunError::DeleteNotStopped {
                id: record.id,
                status,
            });
        }
    }
    destroy(&directory, &record)
}

/// Kills the first process and waits until it is gone (or only its parent's to reap).
fn end(record: &Record) -> Result<(), RunError> {
    let Some(process) = open_process(record) else {
        return Ok(());
    };
    let _gone = signal::send(process.as_fd(), 9);
    if record.cgroup().is_frozen().unwrap_or(false) {
        record.cgroup().thaw()?;
    }
    let patience = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let mut polled = [PollFd::new(&process, PollFlags::IN)];
    poll(&mut polled, Some(&patience)).map_err(|source| RunError::Wait(source.into()))?;
    Ok(())
}

/// Removes a container without a process: its group (and whoever is left in it), its directory; then
/// its `poststop` hooks run.
pub(crate) fn destroy(directory: &ContainerDirectory, record: &Record) -> Result<(), RunError> {
    let cgroup = record.cgroup();
    let config = fs::read(directory.config()).unwrap_or_default();
    // One read tells in most cases that nobody is left.
    cgroup.kill_all()?;
    if let Some(unit) = record.unit() {
        unit.stop()?;
    }
    cgroup.remove()?;
    directory.remove()?;
    if !config.windows(10).any(|window| window == b"\"poststop\"") {
        return Ok(());
    }
    let spec = spec::parse(&config, &directory.config())?;
    let state = hooks::HookState {
        pid: 0,
        ..container::hook_state(record, "stopped")
    };
    if let Err(error) = hooks::run(HookKind::Poststop, &HookPlan::of(&spec).poststop, &state) {
        log::warning(&tell(&error));
    }
    Ok(())
}
