//! Wire messages ↔ the core's values.

use std::path::PathBuf;

use gantry_proto::containerd::runc::v1::{Options, ProcessDetails};
use gantry_proto::containerd::task::v3::{
    CreateTaskRequest, ExecProcessRequest, PidsResponse, StateResponse,
};
use gantry_proto::containerd::v1::types::{ProcessInfo, Status};
use gantry_proto::convert::{any, time};
use rustix::process::Pid;

use crate::rootfs::Mount;
use crate::runtime::{Program, Runtime, find_binary};
use crate::stdio::Owner;
use crate::task::{NewContainer, NewExec, Process, State, StdioNames, Task, TaskError, number};

/// Where a runtime keeps its state unless `Options.root` says otherwise, as stock shims have it.
const RUNTIME_ROOT: &str = "/run/containerd/runc";

pub(super) fn container(
    task: &Task,
    namespace: &str,
    request: CreateTaskRequest,
) -> Result<NewContainer, TaskError> {
    if !request.checkpoint.is_empty() || !request.parent_checkpoint.is_empty() {
        return Err(TaskError::Unsupported("restore from a checkpoint"));
    }
    let options = match &request.options {
        Some(options) if any::is::<Options>(options) => {
            any::unpack::<Options>(options).map_err(|_| TaskError::Missing("readable options"))?
        }
        // Runtimes of other kinds have options of their own; none of them means anything here.
        Some(_) | None => Options::default(),
    };
    let root = if options.root.is_empty() {
        RUNTIME_ROOT
    } else {
        options.root.as_str()
    };
    let mounts = request.rootfs.into_iter().map(|mount| Mount {
        kind: mount.r#type,
        source: mount.source,
        target: mount.target,
        options: mount.options,
    });
    Ok(NewContainer {
        runtime: Runtime {
            program: Program::new(find_binary(&options.binary_name)),
            root: PathBuf::from(root).join(namespace),
            bundle: task.bundle.clone(),
            systemd_cgroup: options.systemd_cgroup,
            no_pivot: options.no_pivot_root,
            no_new_keyring: options.no_new_keyring,
            id: task.id.clone(),
        },
        rootfs: mounts.collect(),
        owner: Owner {
            uid: options.io_uid,
            gid: options.io_gid,
        },
        names: StdioNames {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            terminal: request.terminal,
        },
    })
}

pub(super) fn exec(request: ExecProcessRequest) -> Result<NewExec, TaskError> {
    Ok(NewExec {
        exec_id: request.exec_id,
        names: StdioNames {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            terminal: request.terminal,
        },
        spec: request
            .spec
            .ok_or(TaskError::Missing("process specification"))?
            .value,
    })
}

pub(super) fn state(task: &Task, id: String, process: &Process) -> StateResponse {
    let state = process.state();
    let (status, exit) = match state {
        State::Added | State::Created { .. } => (Status::Created, None),
        State::Running { .. } => (Status::Running, None),
        State::Paused { .. } => (Status::Paused, None),
        State::Stopped { exit, .. } => (Status::Stopped, Some(exit)),
    };
    let names = process.names.clone();
    StateResponse {
        id,
        bundle: task.bundle.display().to_string(),
        pid: number(state.pid()),
        status: status.into(),
        stdin: names.stdin,
        stdout: names.stdout,
        stderr: names.stderr,
        terminal: names.terminal,
        exit_status: exit.map_or(0, |exit| exit.status),
        exited_at: exit.map(|exit| time::to_wire(exit.at)),
        exec_id: process.exec_id.clone(),
    }
}

pub(super) fn pids(pids: Vec<(Pid, Option<String>)>) -> PidsResponse {
    let processes = pids.into_iter().map(|(pid, exec_id)| ProcessInfo {
        pid: number(Some(pid)),
        info: exec_id.map(|exec_id| any::pack(&ProcessDetails { exec_id })),
    });
    PidsResponse {
        processes: processes.collect(),
    }
}
