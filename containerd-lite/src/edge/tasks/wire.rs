//! Processes as the Tasks service tells them.

use gantry_proto::containerd::services::tasks::v1::DeleteResponse;
use gantry_proto::containerd::v1::types::{Process as Wire, Status};
use gantry_proto::convert::time;

use crate::names::ContainerId;
use crate::task::{Answer, Phase, Process, ProcessId};

/// A process.
pub(super) fn process(container: &ContainerId, id: &ProcessId, process: Process) -> Wire {
    let status = match process.phase {
        Phase::Created => Status::Created,
        Phase::Running => Status::Running,
        Phase::Paused => Status::Paused,
        Phase::Stopped(_) => Status::Stopped,
    };
    let exit = process.exit();
    Wire {
        container_id: container.to_string(),
        // The container's own process goes by the container's id.
        id: match id {
            ProcessId::Init => container.to_string(),
            ProcessId::Exec(exec) => exec.to_string(),
        },
        pid: process.pid,
        status: status.into(),
        stdin: process.stdio.stdin,
        stdout: process.stdio.stdout,
        stderr: process.stdio.stderr,
        terminal: process.stdio.terminal,
        exit_status: exit.map_or(0, |exit| exit.status),
        exited_at: exit.map(|exit| time::to_wire(exit.at)),
    }
}

/// A deletion.
pub(super) fn deleted(id: String, answer: Answer) -> DeleteResponse {
    DeleteResponse {
        id,
        pid: answer.pid,
        exit_status: answer.exit.map_or(0, |exit| exit.status),
        exited_at: answer.exit.map(|exit| time::to_wire(exit.at)),
    }
}
