//! The Task service of one shim, in this program's own types.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gantry_proto::containerd::task::v3 as wire;
use gantry_proto::containerd::task::v3::task_client::TaskClient;
use gantry_proto::containerd::types::Mount;
use gantry_proto::containerd::v1::types::{ProcessInfo, Status as WireStatus};
use gantry_proto::convert::time;
use gantry_proto::{MAX_MESSAGE_BYTES, uds};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use super::ShimError;
use super::line::Line;
use crate::names::ContainerId;
use crate::task::{Exit, Phase, Process, ProcessId, Stdio};
use crate::typed::Typed;

/// For calls that only look or send a signal.
const QUICK: Duration = Duration::from_secs(10);
/// For calls that run the runtime, its hooks, or mounts.
const SLOW: Duration = Duration::from_secs(120);
/// For calls that many containers are asked at once.
const GLANCE: Duration = Duration::from_secs(3);

/// The calls to one shim. Clones share its connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    line: Arc<Line>,
    id: ContainerId,
}

/// What `Create` is told besides the id.
#[derive(Clone, Debug)]
pub(crate) struct CreateCall {
    /// Mounts for the rootfs.
    pub(crate) rootfs: Vec<Mount>,
    /// The streams.
    pub(crate) stdio: Stdio,
    /// The runtime's options.
    pub(crate) options: Option<Typed>,
}

/// What a shim says of one process.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Its id.
    pub(crate) pid: u32,
    /// Where it is in its life; `None` when the shim does not know.
    pub(crate) phase: Option<Phase>,
    /// Its streams.
    pub(crate) stdio: Stdio,
}

impl Report {
    /// The process, with `phase` where the shim does not know its own.
    pub(crate) fn process(self, phase: Phase) -> Process {
        Process {
            pid: self.pid,
            phase: self.phase.unwrap_or(phase),
            stdio: self.stdio,
        }
    }
}

impl Client {
    /// Connects to the shim at `path` within `limit`.
    ///
    /// # Errors
    /// Nobody listens there, or the deadline passed.
    pub(crate) async fn connect(
        path: &Path,
        id: ContainerId,
        limit: Duration,
    ) -> Result<Self, ShimError> {
        let line = tokio::time::timeout(limit, Line::connect(path))
            .await
            .map_err(|_| ShimError::Deadline {
                call: "connect",
                after: limit,
            })?
            .map_err(|source| ShimError::Connect {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self { line, id })
    }

    fn task(&self) -> TaskClient<Channel> {
        TaskClient::new(self.line.channel())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    /// The shim's own process id.
    pub(crate) async fn shim_pid(&self, limit: Duration) -> Result<u32, ShimError> {
        let request = wire::ConnectRequest { id: self.id() };
        let mut task = self.task();
        let answer = within(limit, "Connect", task.connect(request)).await?;
        Ok(answer.shim_pid)
    }

    /// Makes the task; its process id.
    pub(crate) async fn create(&self, bundle: &Path, call: CreateCall) -> Result<u32, ShimError> {
        let request = wire::CreateTaskRequest {
            id: self.id(),
            bundle: bundle.to_string_lossy().into_owned(),
            rootfs: call.rootfs,
            terminal: call.stdio.terminal,
            stdin: call.stdio.stdin,
            stdout: call.stdio.stdout,
            stderr: call.stdio.stderr,
            options: call.options.as_ref().map(Into::into),
            ..wire::CreateTaskRequest::default()
        };
        let mut task = self.task();
        let answer = within(SLOW, "Create", task.create(request)).await?;
        Ok(answer.pid)
    }

    /// Starts a process; its id.
    pub(crate) async fn start(&self, process: &ProcessId) -> Result<u32, ShimError> {
        let (id, exec_id) = (self.id(), process.exec_id());
        let mut task = self.task();
        let request = wire::StartRequest { id, exec_id };
        Ok(within(SLOW, "Start", task.start(request)).await?.pid)
    }

    /// Adds an exec.
    pub(crate) async fn exec(
        &self,
        exec_id: String,
        stdio: Stdio,
        spec: Typed,
    ) -> Result<(), ShimError> {
        let request = wire::ExecProcessRequest {
            id: self.id(),
            exec_id,
            terminal: stdio.terminal,
            stdin: stdio.stdin,
            stdout: stdio.stdout,
            stderr: stdio.stderr,
            spec: Some((&spec).into()),
        };
        let mut task = self.task();
        within(SLOW, "Exec", task.exec(request)).await?;
        Ok(())
    }

    /// Deletes a stopped process; its id and how it ended.
    pub(crate) async fn delete(&self, process: &ProcessId) -> Result<(u32, Exit), ShimError> {
        let (id, exec_id) = (self.id(), process.exec_id());
        let mut task = self.task();
        let request = wire::DeleteRequest { id, exec_id };
        let answer = within(SLOW, "Delete", task.delete(request)).await?;
        let exit = exit(answer.exit_status, answer.exited_at.as_ref());
        Ok((answer.pid, exit))
    }

    /// Freezes the container.
    pub(crate) async fn pause(&self) -> Result<(), ShimError> {
        let request = wire::PauseRequest { id: self.id() };
        let mut task = self.task();
        within(QUICK, "Pause", task.pause(request)).await?;
        Ok(())
    }

    /// Thaws the container.
    pub(crate) async fn resume(&self) -> Result<(), ShimError> {
        let request = wire::ResumeRequest { id: self.id() };
        let mut task = self.task();
        within(QUICK, "Resume", task.resume(request)).await?;
        Ok(())
    }

    /// Sends a signal to a process, or to all of the container's.
    pub(crate) async fn kill(
        &self,
        process: &ProcessId,
        signal: u32,
        all: bool,
    ) -> Result<(), ShimError> {
        let request = wire::KillRequest {
            id: self.id(),
            exec_id: process.exec_id(),
            signal,
            all,
        };
        let mut task = self.task();
        within(QUICK, "Kill", task.kill(request)).await?;
        Ok(())
    }

    /// Sets the size of a process's terminal, in characters.
    pub(crate) async fn resize(
        &self,
        process: &ProcessId,
        (width, height): (u32, u32),
    ) -> Result<(), ShimError> {
        let request = wire::ResizePtyRequest {
            id: self.id(),
            exec_id: process.exec_id(),
            width,
            height,
        };
        let mut task = self.task();
        within(QUICK, "ResizePty", task.resize_pty(request)).await?;
        Ok(())
    }

    /// Closes a process's standard input.
    pub(crate) async fn close_stdin(&self, process: &ProcessId) -> Result<(), ShimError> {
        let (id, exec_id, stdin) = (self.id(), process.exec_id(), true);
        let request = wire::CloseIoRequest { id, exec_id, stdin };
        let mut task = self.task();
        within(QUICK, "CloseIO", task.close_io(request)).await?;
        Ok(())
    }

    /// The container's processes.
    pub(crate) async fn pids(&self) -> Result<Vec<ProcessInfo>, ShimError> {
        let request = wire::PidsRequest { id: self.id() };
        let mut task = self.task();
        Ok(within(QUICK, "Pids", task.pids(request)).await?.processes)
    }

    /// Changes the container's limits.
    pub(crate) async fn update(
        &self,
        resources: Option<Typed>,
        annotations: BTreeMap<String, String>,
    ) -> Result<(), ShimError> {
        let request = wire::UpdateTaskRequest {
            id: self.id(),
            resources: resources.as_ref().map(Into::into),
            annotations,
        };
        let mut task = self.task();
        within(QUICK, "Update", task.update(request)).await?;
        Ok(())
    }

    /// What the container uses.
    pub(crate) async fn stats(&self) -> Result<Option<Typed>, ShimError> {
        let request = wire::StatsRequest { id: self.id() };
        let mut task = self.task();
        let answer = within(GLANCE, "Stats", task.stats(request)).await?;
        Ok(answer.stats.map(Typed::from))
    }

    /// A process as the shim sees it; `None` when it has none of that name.
    pub(crate) async fn state(
        &self,
        process: &ProcessId,
        limit: Duration,
    ) -> Result<Option<Report>, ShimError> {
        let (id, exec_id) = (self.id(), process.exec_id());
        let request = wire::StateRequest { id, exec_id };
        let mut task = self.task();
        let asked = tokio::time::timeout(limit, task.state(request)).await;
        match asked {
            Err(_) => Err(ShimError::Deadline {
                call: "State",
                after: limit,
            }),
            Ok(Err(status)) if status.code() == Code::NotFound => Ok(None),
            Ok(Err(status)) => Err(status.into()),
            Ok(Ok(answer)) => Ok(Some(report(answer.into_inner()))),
        }
    }

    /// Asks the shim to end.
    pub(crate) async fn shutdown(&self) -> Result<(), ShimError> {
        let (id, now) = (self.id(), true);
        let mut task = self.task();
        let request = wire::ShutdownRequest { id, now };
        within(GLANCE, "Shutdown", task.shutdown(request)).await?;
        Ok(())
    }
}

/// Tells the shim at `socket`, whatever it is, to end.
pub(crate) async fn dismiss(socket: std::path::PathBuf) {
    let Ok(channel) = uds::connect(&socket).await else {
        return;
    };
    let (id, now) = (String::new(), true);
    let request = wire::ShutdownRequest { id, now };
    // It ends in the middle of its answer, or does not listen to us: there is nothing else to do.
    let _ = within(
        GLANCE,
        "Shutdown",
        TaskClient::new(channel).shutdown(request),
    )
    .await;
}

async fn within<T>(
    after: Duration,
    call: &'static str,
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, ShimError> {
    match tokio::time::timeout(after, answer).await {
        Err(_) => Err(ShimError::Deadline { call, after }),
        Ok(answer) => Ok(answer?.into_inner()),
    }
}

fn exit(status: u32, at: Option<&prost_types::Timestamp>) -> Exit {
    Exit {
        status,
        at: time::from_wire(at).unwrap_or_else(std::time::SystemTime::now),
    }
}

fn report(state: wire::StateResponse) -> Report {
    let phase = match state.status() {
        WireStatus::Created => Some(Phase::Created),
        WireStatus::Running => Some(Phase::Running),
        WireStatus::Paused | WireStatus::Pausing => Some(Phase::Paused),
        WireStatus::Stopped => Some(Phase::Stopped(exit(
            state.exit_status,
            state.exited_at.as_ref(),
        ))),
        WireStatus::Unknown => None,
    };
    Report {
        pid: state.pid,
        phase,
        stdio: Stdio {
            stdin: state.stdin,
            stdout: state.stdout,
            stderr: state.stderr,
            terminal: state.terminal,
        },
    }
}
