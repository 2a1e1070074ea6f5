//! What gantryd asks of the supervisor, in the engine's own terms.
//!
//! Owns the calls to containerd's services and nothing of their meaning: when a task is created,
//! started or deleted is decided by the container's owner (`container::actor`). No generated type
//! leaves this module. Every call has a deadline; errors keep the supervisor's own words, because
//! stock clients parse them.

mod calls;
pub mod events;
pub mod features;
pub mod keeper;
pub mod metrics;
pub mod stdio;
pub mod supervise;
pub mod watermark;

use std::{path::Path, sync::Arc, time::Duration};

use gantry_errors::{Classify, ErrorKind};
use gantry_ids::ContainerId;
use gantry_proto::{
    MAX_MESSAGE_BYTES,
    containerd::{
        services::{
            containers::v1::containers_client::ContainersClient,
            tasks::v1::tasks_client::TasksClient,
        },
        types::Mount as WireMount,
        v1::types::{Process as WireProcess, Status as WireStatus},
    },
    convert::{status, time},
    metadata,
};
use jiff::Timestamp;
use tonic::{Response, Status, transport::Channel};

/// For calls that start a process or wait for one to be taken down.
const SLOW: Duration = Duration::from_secs(120);
/// For all others.
const QUICK: Duration = Duration::from_secs(30);

/// A call that failed, in the supervisor's words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RuntimeError {
    kind: ErrorKind,
    message: String,
}

impl RuntimeError {
    fn from_status(status: &Status) -> Self {
        Self {
            kind: status::to_kind(status.code()),
            message: status.message().to_owned(),
        }
    }

    /// Whether the supervisor does not know the object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// The supervisor's text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Classify for RuntimeError {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// A task to create.
#[derive(Debug, Clone)]
pub struct NewTask {
    pub id: ContainerId,
    /// `config.json`.
    pub spec: Vec<u8>,
    /// What the shim mounts on the bundle's root directory.
    pub rootfs: Vec<gantry_layer::Mount>,
    /// Keeps the layers mounted until the shim has made them its own.
    pub layers: gantry_layer::Lease,
    /// The URIs of `docs/protocols/stdio.md`; empty: none.
    pub stdin: String,
    pub output: String,
    pub terminal: bool,
    /// The OCI runtime's binary and its `--root`.
    pub runtime: RuntimeChoice,
    pub image: String,
}

/// Which OCI runtime runs a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeChoice {
    /// A path, or a name that is looked up in PATH.
    pub binary: String,
    /// Its state directory.
    pub root: String,
    /// Control groups are made by systemd.
    pub systemd_cgroup: bool,
    /// The shim, in containerd's naming.
    pub shim: String,
    /// The root is made by moving a mount, as on a ramdisk.
    pub no_pivot_root: bool,
    /// The container keeps the session keyring.
    pub no_new_keyring: bool,
}

/// A process to execute in a running task.
#[derive(Debug, Clone)]
pub struct NewExec {
    pub exec: String,
    /// The OCI process, as JSON.
    pub process: Vec<u8>,
    pub stdin: String,
    pub output: String,
    pub terminal: bool,
}

/// What a process is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStatus {
    /// Created and not started.
    Created,
    Running,
    Paused,
    /// Ended, and not deleted yet.
    Stopped {
        code: u32,
        at: Option<Timestamp>,
    },
    /// The supervisor cannot say.
    Unknown,
}

/// A task as the supervisor knows it.
#[derive(Debug, Clone)]
pub struct Task {
    pub id: String,
    pub pid: u32,
    pub status: TaskStatus,
}

/// The exit of a deleted process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub code: u32,
    pub at: Option<Timestamp>,
}

/// The supervisor's services; clones share one connection.
#[derive(Debug, Clone)]
pub struct Supervisor {
    channel: Channel,
    namespace: Arc<str>,
}

type Outcome<T> = Result<T, RuntimeError>;

impl Supervisor {
    /// A client of the socket, which connects when it is first used and again after losses.
    #[must_use]
    pub fn new(socket: &Path, namespace: &str) -> Self {
        Self {
            channel: gantry_proto::uds::connect_lazy(socket),
            namespace: namespace.into(),
        }
    }

    /// The same supervisor's services for another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            channel: self.channel.clone(),
            namespace: namespace.into(),
        }
    }

    fn tasks(&self) -> TasksClient<Channel> {
        TasksClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn containers(&self) -> ContainersClient<Channel> {
        ContainersClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn request<T>(&self, message: T) -> Outcome<tonic::Request<T>> {
        metadata::in_namespace(message, &self.namespace)
            .map_err(|status| RuntimeError::from_status(&status))
    }
}

fn text(id: &ContainerId) -> String {
    id.as_str().to_owned()
}

fn wire_mount(mount: gantry_layer::Mount) -> WireMount {
    WireMount {
        r#type: mount.kind,
        source: mount.source,
        target: String::new(),
        options: mount.options,
    }
}

fn task(process: WireProcess) -> Task {
    let status = match process.status() {
        WireStatus::Created => TaskStatus::Created,
        WireStatus::Running => TaskStatus::Running,
        WireStatus::Paused | WireStatus::Pausing => TaskStatus::Paused,
        WireStatus::Stopped => TaskStatus::Stopped {
            code: process.exit_status,
            at: stamp(process.exited_at.as_ref()),
        },
        WireStatus::Unknown => TaskStatus::Unknown,
    };
    // Get leaves container_id empty in some containerds; id is the task's own then.
    let id = if process.container_id.is_empty() {
        process.id
    } else {
        process.container_id
    };
    Task {
        id,
        pid: process.pid,
        status,
    }
}

fn stamp(wire: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    time::from_wire(wire).and_then(|at| Timestamp::try_from(at).ok())
}

fn found(outcome: Outcome<()>) -> Outcome<()> {
    match outcome {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

async fn timed<T>(
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Outcome<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(RuntimeError::from_status(&status)),
        Err(_) => Err(RuntimeError {
            kind: ErrorKind::DeadlineExceeded,
            message: format!("the supervisor did not answer within {} s", limit.as_secs()),
        }),
    }
}
