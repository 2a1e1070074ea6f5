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
/// The exit is known, the record does not say so.
pub const EXIT_SEEN: &str = "container.exit.seen";
/// The exit is written, nobody was told.
pub const EXIT_PERSISTED: &str = "container.exit.persisted";
/// The stop was asked for and written, no signal was sent.
pub const STOP_PERSISTED: &str = "container.stop.persisted";
/// The record is gone and the teardown written, nobody was told.
pub const REMOVE_PERSISTED: &str = "container.remove.persisted";
/// The teardown is half done.
pub const TEARDOWN_HALF: &str = "container.teardown.half";
