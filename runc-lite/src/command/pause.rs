//! `pause` and `resume`.

use crate::cli::{Global, Parsed};
use crate::command::{Count, HELP, Verb, container};
use crate::error::RunError;
use crate::state::Status;

pub(crate) const PAUSE: Verb = Verb {
    name: "pause",
    help: "suspend all processes inside the container",
    arguments: "<container-id>",
    flags: &[HELP],
    count: Count::Exactly(1),
    enters: false,
    run: |global, parsed| Ok(pause(global, parsed).map(|()| 0)?),
};

pub(crate) const RESUME: Verb = Verb {
    name: "resume",
    help: "resume all processes that have been previously paused",
    arguments: "<container-id>",
    flags: &[HELP],
    count: Count::Exactly(1),
    enters: false,
    run: |global, parsed| Ok(resume(global, parsed).map(|()| 0)?),
};

fn pause(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let (directory, record) = container::find(global, parsed.id())?;
    let _lock = directory.lock()?;
    match Status::of(&record, &directory) {
        Status::Created | Status::Running => Ok(record.cgroup().freeze()?),
        Status::Paused | Status::Stopped => Err(RunError::NotRunning),
    }
}

fn resume(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let (directory, record) = container::find(global, parsed.id())?;
    let _lock = directory.lock()?;
    match Status::of(&record, &directory) {
        Status::Paused => Ok(record.cgroup().thaw()?),
        Status::Created | Status::Running | Status::Stopped => Err(RunError::NotPaused),
    }
}
