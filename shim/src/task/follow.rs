//! Follows a process to its end: keeps the end on disk, waits for the last of its output, and only
//! then tells anybody.

use std::sync::Arc;
use std::time::Duration;

use gantry_probe::{failpoint, trace};
use gantry_proto::containerd::events::{TaskExit, TaskOom};
use gantry_proto::convert::time;
use gantry_proto::topic;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Task;
use super::container::{Container, number};
use super::process::Process;
use crate::exits::Exit;
use crate::oom;

/// How long output may still come after the end: something that the process left behind can hold its
/// pipe open for ever. Stock docker waits as long for the streams of an ended container.
const DRAIN: Duration = Duration::from_secs(2);

/// SIGKILL.
const KILL: u32 = 9;

/// Follows `process`, whose end `end` tells.
pub(super) fn follow(
    task: Arc<Task>,
    container: Arc<Container>,
    process: Arc<Process>,
    end: oneshot::Receiver<Exit>,
) {
    tokio::spawn(async move {
        let exit = end.await.unwrap_or_else(|_| Exit::unknown());
        let _phase = trace::phase("exit");
        let is_init = process.exec_id.is_empty();
        let id = if is_init {
            task.id.clone()
        } else {
            process.exec_id.clone()
        };
        let pid = process.state().pid();
        let _ = failpoint("shim.exit.seen");
        // A full state directory must not hide the end from those who are here to hear it.
        let _ = task.exits.keep(&id, number(pid), exit);
        let _ = failpoint("shim.exit.kept");
        process.stopped(exit);
        if is_init {
            kill_the_rest(&task, &container).await;
            report_oom(&task, &container);
        }
        let draining = trace::phase("drain output");
        let _ = timeout(DRAIN, process.streams.drained()).await;
        drop(draining);
        let announcing = process.announcing.lock().await;
        let event = TaskExit {
            container_id: task.id.clone(),
            id,
            pid: number(pid),
            exit_status: exit.status,
            exited_at: Some(time::to_wire(exit.at)),
        };
        task.events.publish(topic::TASK_EXIT, &event);
        let _ = failpoint("shim.exit.told");
        drop(announcing);
        process.announce_end(exit);
        if is_init {
            container.mounts.let_go();
        }
    });
}

/// Tells of kills for lack of memory as they happen, while the container runs.
pub(super) fn follow_oom(task: Arc<Task>, container: Arc<Container>) {
    tokio::spawn(async move {
        let Some(cgroup) = &container.cgroup else {
            return;
        };
        let watching = oom::watch_kills(cgroup, || report_oom(&task, &container));
        tokio::select! {
            // A group that cannot be watched is still looked at when the container ends.
            _ = watching => {}
            _ = container.init.ended() => {}
        }
    });
}

/// A container without a pid namespace of its own leaves its other processes behind.
async fn kill_the_rest(task: &Task, container: &Container) {
    if !container.ends_with_its_first {
        // There may be none left, which is an error to some runtimes.
        let _ = container.runtime.kill(&task.reaper, KILL, true).await;
    }
}

/// Tells of kills for lack of memory before the end that they explain.
fn report_oom(task: &Task, container: &Container) {
    let kills = container
        .cgroup
        .as_ref()
        .and_then(|cgroup| cgroup.oom_kills().ok());
    if kills.is_some_and(|kills| container.oom.new_kills(kills)) {
        let event = TaskOom {
            container_id: task.id.clone(),
        };
        task.events.publish(topic::TASK_OOM, &event);
    }
}
