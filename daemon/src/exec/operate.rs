//! Exec: define, start with a client's stream or detached, resize, inspect.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use gantry_engine_api::exec::{ExecCreateRequest, ExecInspect, ProcessConfig};
use gantry_ids::ExecId;
use gantry_stdio::Attach;
use gantry_telemetry::failpoint;

use super::{Exec, ExecLife};
use crate::{
    container::{
        AFTER_YOU, ContainerError, Containers, Handle, failpoints,
        model::Record,
        operate::not_running,
        refusal::{self, Refusal},
        spec::{
            capabilities,
            oci::{ConsoleSize, Process},
            process,
            security::Options,
            users,
        },
        start::told,
        state::Life,
    },
    runtime::{NewExec, stdio},
};

/// How long the word of an exec's end may take once its process is gone.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// How an exec is started.
#[derive(Debug, Default)]
pub struct StartOptions {
    pub tty: bool,
    /// Width and height in characters.
    pub size: Option<(u32, u32)>,
}

impl Containers {
    /// Defines an exec.
    ///
    /// # Errors
    /// Conflict if the container does not run or is paused.
    pub fn create_exec(
        &self,
        reference: &str,
        request: ExecCreateRequest,
    ) -> Result<ExecId, ContainerError> {
        let handle = self.find(reference)?;
        let record = handle.record();
        must_run(&record)?;
        if request.cmd.is_empty() {
            return Err(ContainerError::Invalid(
                "No exec command specified".to_owned(),
            ));
        }
        if !request.working_dir.is_empty() && !request.working_dir.starts_with('/') {
            return Err(ContainerError::Invalid(format!(
                "the working directory '{}' is invalid, it needs to be an absolute path",
                request.working_dir
            )));
        }
        // As dockerd: who is linked to one that has ended gets no more processes.
        self.link_variables(&record)?;
        let command = shown(&request.cmd);
        let exec = handle.execs.add(Exec::new(handle.id.clone(), request));
        self.parts.announce(
            &record,
            &format!("exec_create: {command}"),
            &[("execID", exec.id.to_string())],
        );
        Ok(exec.id.clone())
    }

    /// The exec with this id and its container.
    ///
    /// # Errors
    /// There is none.
    pub fn find_exec(&self, id: &str) -> Result<(Handle, Arc<Exec>), ContainerError> {
        self.handles()
            .into_iter()
            .find_map(|handle| handle.execs.get(id).map(|exec| (handle, exec)))
            .ok_or_else(|| ContainerError::NotFound(format!("No such exec instance: {id}")))
    }

    /// Starts an exec. `client` is the stream it is joined to before its process runs.
    ///
    /// # Errors
    /// Conflict if it was started before; the runtime's words if it cannot be.
    pub async fn start_exec(
        &self,
        handle: &Handle,
        exec: &Exec,
        options: StartOptions,
        client: Option<(Attach, OwnedFd)>,
    ) -> Result<(), ContainerError> {
        let record = handle.record();
        must_run(&record)?;
        if !exec.claim() {
            return Err(ContainerError::Conflict(format!(
                "exec command {} is already running",
                exec.id
            )));
        }
        // As dockerd, before the start: the end of a short process is told beside this one's answer.
        let action = format!("exec_start: {}", shown(&exec.request.cmd));
        let attributes = [("execID", exec.id.to_string())];
        self.parts.announce(&record, &action, &attributes);
        match self.launch_exec(&record, exec, options, client).await {
            Ok(pid) => {
                failpoint(failpoints::EXEC_STARTED)?;
                exec.started(pid);
                Ok(())
            }
            Err(error) => {
                exec.ended(match &error {
                    ContainerError::Start(refusal) => refusal.exit_code,
                    _ => refusal::UNKNOWN,
                });
                drop(
                    self.parts
                        .supervisor
                        .delete_exec(&handle.id, exec.id.as_str())
                        .await,
                );
                Err(error)
            }
        }
    }

    async fn launch_exec(
        &self,
        record: &Record,
        exec: &Exec,
        options: StartOptions,
        client: Option<(Attach, OwnedFd)>,
    ) -> Result<u32, ContainerError> {
        let supervisor = &self.parts.supervisor;
        let process = self.exec_process(record, exec, &options).await?;
        let socket = self.parts.io_socket(&record.id);
        let uri = stdio::uri(socket.clone(), None, true);
        let terminal = process.terminal;
        let new = NewExec {
            exec: exec.id.to_string(),
            process: serde_json::to_vec(&process).expect("plain fields"),
            stdin: if exec.request.attach_stdin {
                uri.clone()
            } else {
                String::new()
            },
            output: uri,
            terminal,
        };
        let refused = |source: crate::runtime::RuntimeError| {
            let told = told(&source);
            ContainerError::Start(if told.starts_with("exec failed") {
                Refusal::of(&format!("OCI runtime exec failed: {told}"))
            } else {
                Refusal::of(told)
            })
        };
        supervisor.exec(&record.id, new).await.map_err(refused)?;
        if let Some((mut attach, stream)) = client {
            attach.process = exec.id.to_string();
            stdio::hand_over(socket, attach, stream)
                .await
                .map_err(|source| ContainerError::Attach {
                    id: record.id.clone(),
                    source,
                })?;
        }
        let pid = supervisor
            .start(&record.id, exec.id.as_str())
            .await
            .map_err(refused)?;
        if let (true, Some(size)) = (terminal, options.size) {
            drop(supervisor.resize(&record.id, exec.id.as_str(), size).await);
        }
        Ok(pid)
    }

    async fn exec_process(
        &self,
        record: &Record,
        exec: &Exec,
        options: &StartOptions,
    ) -> Result<Process, ContainerError> {
        let request = &exec.request;
        let user = if request.user.is_empty() {
            &record.config.user
        } else {
            &request.user
        };
        let (passwd, group) = self.accounts(record).await?;
        let account = users::resolve(user, &record.host.group_add, &passwd, &group)
            .map_err(crate::container::spec::SpecError::from)?;
        let security =
            Options::parse(&record.host).map_err(crate::container::spec::SpecError::from)?;
        let caps = if request.privileged {
            capabilities::effective(true, &[], &[])
        } else {
            process::capability_set(&record.host)
                .map_err(crate::container::spec::SpecError::from)?
        };
        let terminal = request.tty || options.tty;
        let linked = self.link_variables(record).unwrap_or_default();
        let mut env = process::environment(record, &linked);
        if terminal && !env.iter().any(|entry| entry.starts_with("TERM=")) {
            env.push("TERM=xterm".to_owned());
        }
        env = process::merge(env, &request.env);
        let cwd = if request.working_dir.is_empty() {
            &record.config.working_dir
        } else {
            &request.working_dir
        };
        Ok(Process {
            terminal,
            console_size: options
                .size
                .map(|(width, height)| ConsoleSize { height, width }),
            env: process::with_home(env, &account.home),
            user: account.user,
            args: request.cmd.to_vec(),
            cwd: process::or_root(cwd),
            capabilities: process::same(caps),
            rlimits: process::rlimits(&record.host),
            no_new_privileges: security.no_new_privileges,
            oom_score_adj: Some(record.host.oom_score_adj),
        })
    }

    /// The supervisor says that an exec's process ended.
    pub(crate) fn exec_ended(&self, handle: &Handle, id: &str, code: u32) {
        let Some(exec) = handle.execs.get(id) else {
            return;
        };
        if exec.ended(code) {
            let attributes = [("execID", id.to_owned()), ("exitCode", code.to_string())];
            self.parts
                .announce(&handle.record(), "exec_die", &attributes);
        }
        let (supervisor, container, id) = (
            self.parts.supervisor.clone(),
            handle.id.clone(),
            id.to_owned(),
        );
        // Beside the stream of events, which must not wait for it.
        tokio::spawn(async move {
            tokio::time::sleep(AFTER_YOU).await;
            if let Err(error) = supervisor.delete_exec(&container, &id).await {
                tracing::debug!(container.id = %container, exec.id = id, %error, "exec not deleted");
            }
        });
    }

    /// Sets the size of an exec's terminal, in characters.
    ///
    /// # Errors
    /// It does not run.
    pub async fn resize_exec(&self, id: &str, size: (u32, u32)) -> Result<(), ContainerError> {
        let (handle, exec) = self.find_exec(id)?;
        if !matches!(exec.life(), ExecLife::Running { .. }) {
            return Err(ContainerError::Conflict(format!(
                "exec {id} is not running"
            )));
        }
        self.parts
            .supervisor
            .resize(&handle.id, id, size)
            .await
            .map_err(|source| ContainerError::Runtime {
                step: "resize the terminal",
                source,
            })
    }
}

/// A command as dockerd tells it: the program, a space, the arguments.
fn shown(command: &[String]) -> String {
    let (program, arguments) = command.split_first().expect("a command is not empty");
    format!("{program} {}", arguments.join(" "))
}

fn must_run(record: &Record) -> Result<(), ContainerError> {
    match record.life {
        Life::Running { .. } => Ok(()),
        Life::Paused { .. } => Err(ContainerError::Conflict(format!(
            "Container {} is paused, unpause the container before exec",
            record.name
        ))),
        Life::Restarting { .. } => Err(ContainerError::Conflict(format!(
            "Container {} is restarting, wait until the container is running",
            record.id
        ))),
        Life::Created | Life::Exited { .. } | Life::Removing | Life::Dead => {
            Err(not_running(&record.id))
        }
    }
}

/// Clients ask for the exit code the moment their stream ends, which may be before the supervisor's
/// word of it is here: an exec whose process is gone is about to be known as ended.
pub async fn settled(exec: &Exec) {
    let pending = match exec.life() {
        ExecLife::Starting => true,
        ExecLife::Running { pid } => !is_alive(pid),
        ExecLife::Created | ExecLife::Ended { .. } => false,
    };
    if pending {
        let mut watch = exec.watch();
        let known = watch.wait_for(|life| match life {
            ExecLife::Starting => false,
            ExecLife::Running { pid } => is_alive(*pid),
            ExecLife::Created | ExecLife::Ended { .. } => true,
        });
        drop(tokio::time::timeout(SETTLE_LIMIT, known).await);
    }
}

/// Whether a process exists and has not begun to end.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| lives(&stat))
}

/// Whether a line of `/proc/PID/stat` (proc(5)) is of a process that has not begun to end. The kernel
/// closes its files, which ends the client's stream, before its state says that it is dead: the flag
/// `PF_EXITING` is there from the beginning.
fn lives(stat: &str) -> bool {
    const PF_EXITING: u64 = 0x4;
    // The name, in parentheses, may hold anything. Behind it the state is the first field, the flags
    // the seventh.
    let Some((_, rest)) = stat.rsplit_once(") ") else {
        return false;
    };
    let fields: Vec<&str> = rest.split(' ').collect();
    let flags: u64 = fields.get(6).and_then(|f| f.parse().ok()).unwrap_or(0);
    !matches!(fields[0], "Z" | "X") && flags & PF_EXITING == 0
}

/// As `GET /exec/{id}/json` tells it.
#[must_use]
pub fn inspect(exec: &Exec) -> ExecInspect {
    let request = &exec.request;
    let (running, exit_code, pid) = match exec.life() {
        ExecLife::Created => (false, None, 0),
        ExecLife::Starting => (true, None, 0),
        ExecLife::Running { pid } => (true, None, pid),
        ExecLife::Ended { pid, code } => (false, Some(i64::from(code)), pid),
    };
    ExecInspect {
        id: exec.id.to_string(),
        running,
        exit_code,
        process_config: ProcessConfig {
            tty: request.tty,
            entrypoint: request.cmd.first().cloned().unwrap_or_default(),
            arguments: request.cmd.iter().skip(1).cloned().collect(),
            privileged: Some(request.privileged),
            user: request.user.clone(),
        },
        open_stdin: request.attach_stdin,
        open_stderr: request.attach_stderr,
        open_stdout: request.attach_stdout,
        can_remove: !running && exit_code.is_some(),
        container_id: exec.container.to_string(),
        detach_keys: String::new(),
        pid,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_alive, lives};

    #[test]
    fn a_process_that_closes_its_files_lives_no_more() {
        assert!(is_alive(std::process::id()));
        assert!(!is_alive(u32::MAX));
        assert!(lives("7 (sh) S 1 7 7 0 -1 4194304 100 0"));
        assert!(lives("7 (a) Z) S 1 7 7 0 -1 4194304 100 0"));
        assert!(!lives("7 (sh) R 1 7 7 0 -1 4194308 100 0"));
        assert!(!lives("7 (sh) Z 1 7 7 0 -1 4194316 100 0"));
        assert!(!lives(""));
    }
}
