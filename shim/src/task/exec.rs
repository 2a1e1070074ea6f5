//! Processes executed in the container.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use gantry_proto::containerd::events::{TaskExecAdded, TaskExecStarted};
use gantry_proto::topic;
use rustix::process::{Pid, PidfdFlags};

use super::Task;
use super::container::{Container, console_socket, deleted, join_terminal, number};
use super::error::TaskError;
use super::follow::follow;
use super::process::{Process, State, StdioNames};
use crate::console::ConsoleSocket;
use crate::exits::Exit;
use crate::runtime::ExecCall;
use crate::stdio::{Targets, Wiring};

/// What `Exec` asks for.
#[derive(Debug)]
pub(crate) struct NewExec {
    pub(crate) exec_id: String,
    pub(crate) names: StdioNames,
    /// The process, as in the runtime specification's `process`, JSON.
    pub(crate) spec: Vec<u8>,
}

/// What is said of an exec that could not be started.
const NOT_STARTED: u32 = 255;

impl Container {
    /// Adds an exec; its process is made by [`Container::start_exec`].
    pub(crate) fn add_exec(&self, task: &Arc<Task>, new: NewExec) -> Result<(), TaskError> {
        if !is_plain(&new.exec_id) {
            return Err(TaskError::ExecId(new.exec_id));
        }
        if self.execs().contains_key(&new.exec_id) {
            return Err(TaskError::ProcessExists(new.exec_id));
        }
        let names = &new.names;
        let targets = Targets::parse([&names.stdin, &names.stdout, &names.stderr], names.terminal)?;
        if let Some(uri) = targets.uri() {
            task.control.listen(&uri.socket, task)?;
        }
        let wiring = Wiring::lay(&targets, self.owner)?;
        let path = task.bundle.join(process_file(&new.exec_id));
        write_private(&path, &new.spec).map_err(|source| TaskError::Bundle { path, source })?;
        let exec_id = new.exec_id.clone();
        let process = Process::new(exec_id.clone(), new.names, wiring.streams, wiring.child);
        self.execs().insert(exec_id.clone(), Arc::new(process));
        let event = TaskExecAdded {
            container_id: task.id.clone(),
            exec_id,
        };
        task.events.publish(topic::TASK_EXEC_ADDED, &event);
        Ok(())
    }

    /// Starts an exec that was added.
    pub(crate) async fn start_exec(
        self: &Arc<Self>,
        task: &Arc<Task>,
        process: &Arc<Process>,
    ) -> Result<Pid, TaskError> {
        let announcing = process.announcing.lock().await;
        let state = self.init.state();
        if !matches!(state, State::Running { .. } | State::Paused { .. }) {
            return Err(TaskError::State {
                verb: "exec in",
                state: state.name(),
            });
        }
        let child = process.take_child()?;
        let expectation = task.reaper.expect();
        let started = self.make_exec(task, process, child).await;
        let path = task.bundle.join(process_file(&process.exec_id));
        let _ = std::fs::remove_file(path);
        let pid = match started {
            Ok(pid) => pid,
            Err(error) => {
                let exit = Exit {
                    status: NOT_STARTED,
                    ..Exit::unknown()
                };
                process.streams.abandon();
                process.stopped(exit);
                process.announce_end(exit);
                return Err(error);
            }
        };
        let end = expectation.wait_for(pid);
        process.made(State::Running { pid });
        let event = TaskExecStarted {
            container_id: task.id.clone(),
            exec_id: process.exec_id.clone(),
            pid: number(Some(pid)),
        };
        task.events.publish(topic::TASK_EXEC_STARTED, &event);
        drop(announcing);
        follow(task.clone(), self.clone(), process.clone(), end);
        Ok(pid)
    }

    async fn make_exec(
        &self,
        task: &Task,
        process: &Process,
        child: crate::stdio::ChildEnds,
    ) -> Result<Pid, TaskError> {
        let console = process
            .names
            .terminal
            .then(|| console_socket(task))
            .transpose()?;
        let process_file = task.bundle.join(process_file(&process.exec_id));
        let call = ExecCall {
            process_file: &process_file,
            exec_id: &process.exec_id,
            console: console.as_ref().map(ConsoleSocket::path),
        };
        let pid = self.runtime.exec(&task.reaper, &call, child).await?;
        if let Some(console) = console
            && let Err(error) = join_terminal(console, process).await
        {
            let _ = signal(pid, 9);
            return Err(error);
        }
        Ok(pid)
    }

    /// Forgets an exec that has ended, or never began.
    pub(crate) async fn delete_exec(
        &self,
        task: &Task,
        process: &Process,
    ) -> Result<(Option<Pid>, Exit), TaskError> {
        let (pid, exit) = match process.state() {
            State::Stopped { pid, .. } => (pid, process.ended().await),
            State::Added => (
                None,
                Exit {
                    status: 0,
                    ..Exit::unknown()
                },
            ),
            state @ (State::Created { .. } | State::Running { .. } | State::Paused { .. }) => {
                return Err(TaskError::State {
                    verb: "delete",
                    state: state.name(),
                });
            }
        };
        process.streams.abandon();
        let _ = std::fs::remove_file(task.bundle.join(process_file(&process.exec_id)));
        self.execs().remove(&process.exec_id);
        task.exits.forget(&process.exec_id);
        let event = deleted(task, &process.exec_id, pid, exit);
        task.events.publish(topic::TASK_DELETE, &event);
        Ok((pid, exit))
    }

    /// Sends a signal to an exec's process.
    pub(crate) fn kill_exec(&self, process: &Process, number: u32) -> Result<(), TaskError> {
        let state = process.state();
        match state.pid() {
            Some(pid) if state.is_alive() => signal(pid, number),
            Some(_) => Err(TaskError::Finished),
            None => Err(TaskError::State {
                verb: "kill",
                state: state.name(),
            }),
        }
    }
}

/// Signals a child that has not been reaped, so that the pid is still its own.
pub(super) fn signal(pid: Pid, number: u32) -> Result<(), TaskError> {
    let signal = i32::try_from(number).map_err(|_| TaskError::Signal(number))?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .map_err(|errno| TaskError::Kill(errno.into()))?;
    gantry_linux::signal::send(std::os::fd::AsFd::as_fd(&pidfd), signal).map_err(
        |error| match error.raw_os_error() {
            Some(3) => TaskError::Finished,
            Some(22) => TaskError::Signal(number),
            _ => TaskError::Kill(error),
        },
    )
}

/// The environment in it is nobody else's business.
fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text)
}

fn process_file(exec_id: &str) -> String {
    format!("{exec_id}.process.json")
}

/// Exec ids name files in the bundle.
fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !id.is_empty() && id.len() <= 128 && !id.starts_with('.') && id.bytes().all(plain)
}
