//! The container: made, started, paused, killed, looked at and deleted through its OCI runtime.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_cgroup::{Cgroup, Layout, Stats};
use gantry_linux::namespace::is_first_of_its_pid_namespace;
use gantry_probe::{failpoint, trace};
use gantry_proto::containerd::events::{
    TaskCreate, TaskDelete, TaskIo, TaskPaused, TaskResumed, TaskStart,
};
use gantry_proto::containerd::types;
use gantry_proto::convert::time;
use gantry_proto::topic;
use rustix::process::Pid;

use super::error::TaskError;
use super::follow::{follow, follow_oom};
use super::held::HeldMounts;
use super::process::{Process, State, StdioNames};
use super::{NewContainer, Task};
use crate::cleanup;
use crate::console::ConsoleSocket;
use crate::exits::Exit;
use crate::oom::OomCount;
use crate::rootfs::{self, Mount};
use crate::runtime::{Runtime, RuntimeError};
use crate::stdio::{Owner, Targets, Wiring};

/// See the module.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) runtime: Runtime,
    pub(crate) init: Arc<Process>,
    /// Where the container's processes are counted; unknown if the process ended at once.
    pub(crate) cgroup: Option<Cgroup>,
    pub(super) owner: Owner,
    pub(super) oom: OomCount,
    pub(super) mounts: HeldMounts,
    /// The kernel ends all of its processes with the first one: it has a pid namespace of its own.
    pub(super) ends_with_its_first: bool,
    execs: Mutex<HashMap<String, Arc<Process>>>,
    root: PathBuf,
}

/// Makes the container of `task`. After an error nothing of it is left.
pub(super) async fn create(
    task: &Arc<Task>,
    new: NewContainer,
) -> Result<Arc<Container>, TaskError> {
    let _phase = trace::phase("Task/Create");
    let names = &new.names;
    let targets = Targets::parse([&names.stdin, &names.stdout, &names.stderr], names.terminal)?;
    if let Some(uri) = targets.uri() {
        task.control.listen(&uri.socket, task)?;
    }
    let wiring = Wiring::lay(&targets, new.owner)?;
    let init = Process::new(
        String::new(),
        new.names.clone(),
        wiring.streams,
        wiring.child,
    );
    let path = task.bundle.join("shim.json");
    cleanup::keep(&new.runtime).map_err(|source| TaskError::Bundle { path, source })?;
    let root = task.bundle.join("rootfs");
    let mounting = trace::phase("mount rootfs");
    rootfs::mount_all(&new.rootfs, &root)?;
    drop(mounting);
    let init = Arc::new(init);
    let result = create_process(task, &new, &init, root.clone()).await;
    if result.is_err() {
        init.streams.abandon();
        if !new.rootfs.is_empty() {
            rootfs::unmount_all(&root);
        }
    }
    result
}

async fn create_process(
    task: &Arc<Task>,
    new: &NewContainer,
    init: &Arc<Process>,
    root: PathBuf,
) -> Result<Arc<Container>, TaskError> {
    failpoint("shim.create.mounted")?;
    let announcing = init.announcing.lock().await;
    let expectation = task.reaper.expect();
    let child = init.take_child()?;
    let console = new
        .names
        .terminal
        .then(|| console_socket(task))
        .transpose()?;
    let socket = console.as_ref().map(ConsoleSocket::path);
    let pid = match new.runtime.create(&task.reaper, child, socket).await {
        Ok(pid) => pid,
        Err(error) => {
            // Only what was killed half-way leaves something of ours behind.
            if matches!(error, RuntimeError::Deadline { .. }) {
                let _ = new.runtime.delete_by_force(&task.reaper).await;
            }
            return Err(error.into());
        }
    };
    let _ = failpoint("shim.create.made");
    let end = expectation.wait_for(pid);
    let terminal = match console {
        Some(console) => join_terminal(console, init).await,
        None => Ok(()),
    };
    if let Err(error) = terminal {
        let _ = new.runtime.delete_by_force(&task.reaper).await;
        return Err(error);
    }
    init.made(State::Created { pid });
    let container = Arc::new(Container {
        runtime: new.runtime.clone(),
        init: init.clone(),
        cgroup: Layout::detect()
            .and_then(|layout| Cgroup::of_process(&layout, pid))
            .ok(),
        owner: new.owner,
        oom: OomCount::default(),
        mounts: HeldMounts::of(pid),
        ends_with_its_first: is_first_of_its_pid_namespace(pid.as_raw_nonzero().get()),
        execs: Mutex::default(),
        root,
    });
    task.events
        .publish(topic::TASK_CREATE, &created(task, new, pid));
    drop(announcing);
    follow(task.clone(), container.clone(), init.clone(), end);
    follow_oom(task.clone(), container.clone());
    Ok(container)
}

/// A fresh console socket with a short name.
pub(super) fn console_socket(task: &Task) -> Result<ConsoleSocket, TaskError> {
    let name = format!("pty{:016x}.sock", fresh_number());
    Ok(ConsoleSocket::listen(task.sockets.join(name))?)
}

/// Differs from call to call and from shim to shim.
fn fresh_number() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

pub(super) async fn join_terminal(
    console: ConsoleSocket,
    process: &Process,
) -> Result<(), TaskError> {
    let master = console.receive().await?;
    Ok(process.streams.join_terminal(master)?)
}

fn created(task: &Task, new: &NewContainer, pid: Pid) -> TaskCreate {
    let StdioNames {
        stdin,
        stdout,
        stderr,
        terminal,
    } = new.names.clone();
    TaskCreate {
        container_id: task.id.clone(),
        bundle: task.bundle.display().to_string(),
        rootfs: new.rootfs.iter().map(wire_mount).collect(),
        io: Some(TaskIo {
            stdin,
            stdout,
            stderr,
            terminal,
        }),
        checkpoint: String::new(),
        pid: number(Some(pid)),
    }
}

fn wire_mount(mount: &Mount) -> types::Mount {
    types::Mount {
        r#type: mount.kind.clone(),
        source: mount.source.clone(),
        target: mount.target.clone(),
        options: mount.options.clone(),
    }
}

/// A pid for the wire, 0 for none.
pub(crate) fn number(pid: Option<Pid>) -> u32 {
    pid.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
}

impl Container {
    /// The process `exec_id`, or the container's own if that is empty.
    pub(crate) fn process(&self, exec_id: &str) -> Result<Arc<Process>, TaskError> {
        if exec_id.is_empty() {
            return Ok(self.init.clone());
        }
        let process = self.execs().get(exec_id).cloned();
        process.ok_or_else(|| TaskError::NoProcess(exec_id.to_owned()))
    }

    pub(super) fn execs(&self) -> MutexGuard<'_, HashMap<String, Arc<Process>>> {
        self.execs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the container's process run.
    pub(crate) async fn start(&self, task: &Task) -> Result<Pid, TaskError> {
        let _phase = trace::phase("Task/Start");
        let announcing = self.init.announcing.lock().await;
        let state = self.init.state();
        let State::Created { pid } = state else {
            return Err(TaskError::State {
                verb: "start",
                state: state.name(),
            });
        };
        self.runtime.start(&task.reaper).await?;
        let _ = failpoint("shim.start.started");
        // It may have ended already; that is told after its start.
        let _ = self.init.advance(|state| match state {
            State::Created { pid } => Ok(State::Running { pid }),
            State::Added | State::Running { .. } | State::Paused { .. } | State::Stopped { .. } => {
                Ok(state)
            }
        });
        let container_id = task.id.clone();
        let event = TaskStart {
            container_id,
            pid: number(Some(pid)),
        };
        task.events.publish(topic::TASK_START, &event);
        drop(announcing);
        Ok(pid)
    }

    /// Freezes the container.
    pub(crate) async fn pause(&self, task: &Task) -> Result<(), TaskError> {
        let state = self.init.state();
        if !matches!(state, State::Running { .. }) {
            return Err(TaskError::State {
                verb: "pause",
                state: state.name(),
            });
        }
        self.runtime.pause(&task.reaper).await?;
        self.init.advance(|state| match state {
            State::Running { pid } => Ok(State::Paused { pid }),
            State::Added | State::Created { .. } | State::Paused { .. } | State::Stopped { .. } => {
                Ok(state)
            }
        })?;
        let event = TaskPaused {
            container_id: task.id.clone(),
        };
        task.events.publish(topic::TASK_PAUSED, &event);
        Ok(())
    }

    /// Thaws the container.
    pub(crate) async fn resume(&self, task: &Task) -> Result<(), TaskError> {
        let state = self.init.state();
        if !matches!(state, State::Paused { .. }) {
            return Err(TaskError::State {
                verb: "resume",
                state: state.name(),
            });
        }
        self.runtime.resume(&task.reaper).await?;
        self.init.advance(|state| match state {
            State::Paused { pid } => Ok(State::Running { pid }),
            State::Added
            | State::Created { .. }
            | State::Running { .. }
            | State::Stopped { .. } => Ok(state),
        })?;
        let event = TaskResumed {
            container_id: task.id.clone(),
        };
        task.events.publish(topic::TASK_RESUMED, &event);
        Ok(())
    }

    /// Sends a signal to the container's process, or to all of its processes.
    pub(crate) async fn kill(&self, task: &Task, signal: u32, all: bool) -> Result<(), TaskError> {
        let state = self.init.state();
        if !all && !state.is_alive() {
            return Err(TaskError::Finished);
        }
        if let State::Running { pid } = state
            && !all
            && self.runtime.kills_by_signal()
            && self.ends_with_its_first
        {
            return super::exec::signal(pid, signal);
        }
        Ok(self.runtime.kill(&task.reaper, signal, all).await?)
    }

    /// Changes the container's limits.
    pub(crate) async fn update(&self, task: &Task, resources: Vec<u8>) -> Result<(), TaskError> {
        Ok(self.runtime.update(&task.reaper, resources).await?)
    }

    /// What the container has used.
    pub(crate) fn stats(&self) -> Result<(&Cgroup, Stats), TaskError> {
        let cgroup = self.cgroup.as_ref().ok_or(TaskError::Finished)?;
        Ok((cgroup, cgroup.stats()?))
    }

    /// The container's processes, each with its exec's id where it is an exec's first.
    pub(crate) fn pids(&self) -> Result<Vec<(Pid, Option<String>)>, TaskError> {
        let Some(cgroup) = &self.cgroup else {
            return Ok(Vec::new());
        };
        let pids = cgroup.pids()?;
        let execs: HashMap<Pid, String> = self
            .execs()
            .iter()
            .filter_map(|(id, process)| Some((process.state().pid()?, id.clone())))
            .collect();
        Ok(pids
            .into_iter()
            .map(|pid| (pid, execs.get(&pid).cloned()))
            .collect())
    }

    /// Takes away what is left of a container that has ended.
    pub(crate) async fn delete(&self, task: &Task) -> Result<(Option<Pid>, Exit), TaskError> {
        let _phase = trace::phase("Task/Delete");
        let state = self.init.state();
        let State::Stopped { pid, .. } = state else {
            return Err(TaskError::State {
                verb: "delete",
                state: state.name(),
            });
        };
        let exit = self.init.ended().await;
        match self.runtime.delete(&task.reaper).await {
            Ok(()) | Err(RuntimeError::Gone(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let _ = failpoint("shim.delete.runtime");
        let unmounting = trace::phase("unmount rootfs");
        self.mounts.gone().await;
        rootfs::unmount_all(&self.root);
        drop(unmounting);
        let _ = failpoint("shim.delete.unmounted");
        self.init.streams.abandon();
        for (_, exec) in self.execs().drain() {
            exec.streams.abandon();
        }
        task.forget();
        let event = deleted(task, "", pid, exit);
        task.events.publish(topic::TASK_DELETE, &event);
        Ok((pid, exit))
    }
}

pub(super) fn deleted(task: &Task, exec_id: &str, pid: Option<Pid>, exit: Exit) -> TaskDelete {
    TaskDelete {
        container_id: task.id.clone(),
        pid: number(pid),
        exit_status: exit.status,
        exited_at: Some(time::to_wire(exit.at)),
        id: exec_id.to_owned(),
    }
}
