//! Names of the fields that identify things in log lines, spans and traces.
//!
//! The `tracing` macros need literal names: these constants are what the literals must spell.

/// A container's full id.
pub const CONTAINER_ID: &str = "container.id";
/// An exec's id.
pub const EXEC_ID: &str = "exec.id";
/// containerd's namespace.
pub const NAMESPACE: &str = "namespace";
/// An image reference as the user wrote it, normalised.
pub const IMAGE_REF: &str = "image.ref";
/// A network's id.
pub const NETWORK_ID: &str = "network.id";
/// A volume's name.
pub const VOLUME_NAME: &str = "volume.name";
/// A process id in the host's namespace.
pub const PID: &str = "pid";
/// An error with its chain of causes (`gantry_errors::chain`).
pub const ERROR: &str = "error";
/// The topic of an event.
pub const TOPIC: &str = "topic";
