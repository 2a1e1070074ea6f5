//! The named instants at which a crash test stops the engine (`GANTRY_FAILPOINT`), all in one place:
//! each lies between something that was written and its announcement.

/// The name is reserved, nothing is written.
pub const CREATE_RESERVED: &str = "container.create.reserved";
/// The root file system is prepared, the record is not written.
pub const CREATE_ROOTFS: &str = "container.create.rootfs";
/// The record is written, nobody was told.
pub const CREATE_PERSISTED: &str = "container.create.persisted";
/// The sandbox exists, the task does not.
pub const START_SANDBOX: &str = "container.start.sandbox";
/// The task is created and not started.
pub const START_CREATED: &str = "container.start.created";
/// The task runs, the record does not say so.
pub const START_STARTED: &str = "container.start.started";
/// The record says running, nobody was told.
pub const START_PERSISTED: &str = "container.start.persisted";
/// A start by the user was told to the world, not yet to its caller.
pub const START_ANNOUNCED: &str = "container.start.announced";
/// The exit is known, the record does not say so.
pub const EXIT_SEEN: &str = "container.exit.seen";
/// The exit is written, nobody was told.
pub const EXIT_PERSISTED: &str = "container.exit.persisted";
/// The stop was asked for and written, no signal was sent.
pub const STOP_PERSISTED: &str = "container.stop.persisted";
/// The process is frozen, the record says running.
pub const PAUSE_FROZEN: &str = "container.pause.frozen";
/// The process is thawed, the record says paused.
pub const UNPAUSE_THAWED: &str = "container.unpause.thawed";
/// The new name is written, nobody was told.
pub const RENAME_PERSISTED: &str = "container.rename.persisted";
/// The kernel has the new limits, the record has the old ones.
pub const UPDATE_APPLIED: &str = "container.update.applied";
/// The new process runs, nobody was told.
pub const EXEC_STARTED: &str = "container.exec.started";
/// The record is gone and the teardown written, nobody was told.
pub const REMOVE_PERSISTED: &str = "container.remove.persisted";
/// The teardown is half done.
pub const TEARDOWN_HALF: &str = "container.teardown.half";
