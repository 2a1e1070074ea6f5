//! The topics events are published under.

/// A task was created; its process waits for `Start`.
pub const TASK_CREATE: &str = "/tasks/create";
/// A task was started.
pub const TASK_START: &str = "/tasks/start";
/// A process (the task's or an exec's) ended.
pub const TASK_EXIT: &str = "/tasks/exit";
/// A task or an exec was deleted.
pub const TASK_DELETE: &str = "/tasks/delete";
/// The kernel killed a process of the container for lack of memory.
pub const TASK_OOM: &str = "/tasks/oom";
/// An exec was added.
pub const TASK_EXEC_ADDED: &str = "/tasks/exec-added";
/// An exec's process was started.
pub const TASK_EXEC_STARTED: &str = "/tasks/exec-started";
/// A task was frozen.
pub const TASK_PAUSED: &str = "/tasks/paused";
/// A task was thawed.
pub const TASK_RESUMED: &str = "/tasks/resumed";
/// A container's definition was created.
pub const CONTAINER_CREATE: &str = "/containers/create";
/// A container's definition was changed.
pub const CONTAINER_UPDATE: &str = "/containers/update";
/// A container's definition was deleted.
pub const CONTAINER_DELETE: &str = "/containers/delete";
/// A namespace was created.
pub const NAMESPACE_CREATE: &str = "/namespaces/create";
/// A namespace's labels were changed.
pub const NAMESPACE_UPDATE: &str = "/namespaces/update";
/// A namespace was deleted.
pub const NAMESPACE_DELETE: &str = "/namespaces/delete";
