//! `start`: the process of a created container becomes the user's program.

use std::fs;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::cli::{Global, Parsed};
use crate::command::{Count, HELP, Verb, container};
use crate::error::RunError;
use crate::hooks::{self, HookKind};
use crate::plan::HookPlan;
use crate::spec;
use crate::state::Status;

pub(crate) const START: Verb = Verb {
    name: "start",
    help: "execute the user-defined process in a created container",
    arguments: "<container-id>",
    flags: &[HELP],
    count: Count::Exactly(1),
    enters: false,
    run: |global, parsed| Ok(start(global, parsed).map(|()| 0)?),
};

fn start(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let (directory, record) = container::find(global, parsed.id())?;
    let _lock = directory.lock()?;
    match Status::of(&record, &directory) {
        Status::Created => {}
        Status::Stopped => return Err(RunError::StartStopped),
        Status::Running => return Err(RunError::AlreadyRunning),
        Status::Paused => return Err(RunError::StartState(Status::Paused)),
    }
    let path = directory.fifo();
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let failed = |source: Errno| RunError::Start(source.into());
    let fifo = match rustix::fs::open(&path, flags, Mode::empty()) {
        // Nobody waits any more: the process was killed.
        Err(Errno::NXIO) => return Err(RunError::StartStopped),
        other => other.map_err(failed)?,
    };
    // Gone before the word is given: a container that runs never looks created.
    fs::remove_file(&path).map_err(RunError::Start)?;
    rustix::io::write(&fifo, b"0").map_err(failed)?;
    let config = fs::read(directory.config()).unwrap_or_default();
    if !has_poststart(&config) {
        return Ok(());
    }
    let spec = spec::parse(&config, &directory.config())?;
    let state = container::hook_state(&record, "running");
    Ok(hooks::run(
        HookKind::Poststart,
        &HookPlan::of(&spec).poststart,
        &state,
    )?)
}

/// Whether it is worth parsing the configuration again: most have no hooks.
fn has_poststart(config: &[u8]) -> bool {
    config.windows(11).any(|window| window == b"\"poststart\"")
}
