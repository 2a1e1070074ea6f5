//! Runs the OCI runtime: one short-lived child per verb, `RUNTIME --root R --log F --log-format json
//! VERB …`, waited for without holding anything else up and never without a deadline. Any runtime
//! with runc's command line will do.
//!
//! The runtime's own words about a failure are the last line of level `error` in its log.

mod child;
mod program;
mod report;
mod word;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gantry_errors::{Classify, ErrorKind};
use gantry_probe::trace;
use rustix::process::{Pid, PidfdFlags, Signal};
use thiserror::Error;
use tokio::time::timeout;

use crate::reaper::Reaper;
use crate::stdio::ChildEnds;

use child::{Io, collect, spawn};
pub(crate) use program::Program;

/// Verbs that build something may run hooks and wait for a slow disk.
const BUILD_DEADLINE: Duration = Duration::from_secs(120);
/// The others only touch what is there.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why a verb failed.
#[derive(Debug, Error)]
pub(crate) enum RuntimeError {
    /// The runtime's own words.
    #[error("OCI runtime {verb} failed: {message}")]
    Refused { verb: &'static str, message: String },
    /// It could not be run at all.
    #[error("OCI runtime {verb} failed: fork/exec {}", binary.display())]
    Spawn {
        verb: &'static str,
        binary: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("OCI runtime {verb} failed: no end after {} s", after.as_secs())]
    Deadline { verb: &'static str, after: Duration },
    /// What it left behind makes no sense.
    #[error("OCI runtime {verb} failed: read {}", path.display())]
    Result {
        verb: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The container, or its process, is not there (any more).
    #[error("{0}")]
    Gone(&'static str),
}

impl Classify for RuntimeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { .. } | Self::Spawn { .. } | Self::Result { .. } => ErrorKind::Unknown,
            Self::Deadline { .. } => ErrorKind::DeadlineExceeded,
            Self::Gone(_) => ErrorKind::NotFound,
        }
    }
}

/// One container's runtime.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub(crate) program: Program,
    /// The runtime's `--root`, the namespace included.
    pub(crate) root: PathBuf,
    pub(crate) bundle: PathBuf,
    pub(crate) systemd_cgroup: bool,
    pub(crate) no_pivot: bool,
    pub(crate) no_new_keyring: bool,
    pub(crate) id: String,
}

/// An `exec` to be run.
#[derive(Debug)]
pub(crate) struct ExecCall<'a> {
    pub(crate) process_file: &'a Path,
    pub(crate) exec_id: &'a str,
    pub(crate) console: Option<&'a Path>,
}

impl Runtime {
    /// `create`: returns the pid of the container's process, which waits for `start`.
    pub(crate) async fn create(
        &self,
        reaper: &Arc<Reaper>,
        child: ChildEnds,
        console: Option<&Path>,
    ) -> Result<Pid, RuntimeError> {
        let pid_file = self.bundle.join("init.pid");
        let mut arguments: Vec<&OsStr> = vec!["--bundle".as_ref(), self.bundle.as_ref()];
        arguments.extend([OsStr::new("--pid-file"), pid_file.as_ref()]);
        if let Some(socket) = console {
            arguments.extend([OsStr::new("--console-socket"), socket.as_ref()]);
        }
        if self.no_pivot {
            arguments.push("--no-pivot".as_ref());
        }
        if self.no_new_keyring {
            arguments.push("--no-new-keyring".as_ref());
        }
        arguments.push(self.id.as_ref());
        let call = Call {
            verb: "create",
            log: "log.json",
            deadline: BUILD_DEADLINE,
        };
        self.run(reaper, &call, &arguments, Io::Process(child))
            .await?;
        read_pid("create", &pid_file)
    }

    /// `exec --detach`: returns the pid of the new process.
    pub(crate) async fn exec(
        &self,
        reaper: &Arc<Reaper>,
        call: &ExecCall<'_>,
        child: ChildEnds,
    ) -> Result<Pid, RuntimeError> {
        let pid_file = self.bundle.join(format!("{}.pid", call.exec_id));
        let mut arguments: Vec<&OsStr> = vec!["--process".as_ref(), call.process_file.as_ref()];
        if let Some(socket) = call.console {
            arguments.extend([OsStr::new("--console-socket"), socket.as_ref()]);
        }
        arguments.extend([
            OsStr::new("--detach"),
            "--pid-file".as_ref(),
            pid_file.as_ref(),
        ]);
        arguments.push(self.id.as_ref());
        // A log of its own, so that execs at the same time do not read each other's errors.
        let log = format!("{}.log.json", call.exec_id);
        let run = Call {
            verb: "exec",
            log: &log,
            deadline: BUILD_DEADLINE,
        };
        let result = self.run(reaper, &run, &arguments, Io::Process(child)).await;
        let _ = std::fs::remove_file(self.bundle.join(&log));
        let pid = result.and_then(|_| read_pid("exec", &pid_file));
        let _ = std::fs::remove_file(&pid_file);
        pid
    }

    /// `start`. Of our own runtime it is mostly one word to a process that waits ([`word`]).
    pub(crate) async fn start(&self, reaper: &Arc<Reaper>) -> Result<(), RuntimeError> {
        if self.program.is_own() {
            let _phase = trace::phase("runtime start");
            if word::give(&self.root.join(&self.id)) {
                return Ok(());
            }
        }
        self.simple(reaper, "start", &[]).await
    }

    /// `pause`.
    pub(crate) async fn pause(&self, reaper: &Arc<Reaper>) -> Result<(), RuntimeError> {
        self.simple(reaper, "pause", &[]).await
    }

    /// `resume`.
    pub(crate) async fn resume(&self, reaper: &Arc<Reaper>) -> Result<(), RuntimeError> {
        self.simple(reaper, "resume", &[]).await
    }

    /// `kill`.
    pub(crate) async fn kill(
        &self,
        reaper: &Arc<Reaper>,
        signal: u32,
        all: bool,
    ) -> Result<(), RuntimeError> {
        let signal = signal.to_string();
        let mut arguments: Vec<&OsStr> = Vec::new();
        if all {
            arguments.push("--all".as_ref());
        }
        arguments.extend([OsStr::new(&self.id), signal.as_ref()]);
        let call = Call {
            verb: "kill",
            log: "log.json",
            deadline: DEADLINE,
        };
        let result = self
            .run(reaper, &call, &arguments, Io::Talk(Vec::new()))
            .await;
        result.map(drop).map_err(gone)
    }

    /// Whether `kill` of one running process is a plain signal, which needs no runtime to be run: so it
    /// is with our own. Another may mean more by it, as one that keeps a container in a machine of its
    /// own does.
    pub(crate) fn kills_by_signal(&self) -> bool {
        self.program.is_own()
    }

    /// `delete`.
    pub(crate) async fn delete(&self, reaper: &Arc<Reaper>) -> Result<(), RuntimeError> {
        self.simple(reaper, "delete", &[]).await.map_err(gone)
    }

    /// `delete --force`: kills what is left.
    pub(crate) async fn delete_by_force(&self, reaper: &Arc<Reaper>) -> Result<(), RuntimeError> {
        self.simple(reaper, "delete", &["--force".as_ref()]).await
    }

    /// `update`, with the resources as JSON.
    pub(crate) async fn update(
        &self,
        reaper: &Arc<Reaper>,
        resources: Vec<u8>,
    ) -> Result<(), RuntimeError> {
        let arguments: [&OsStr; 3] = ["--resources".as_ref(), "-".as_ref(), self.id.as_ref()];
        let call = Call {
            verb: "update",
            log: "log.json",
            deadline: DEADLINE,
        };
        self.run(reaper, &call, &arguments, Io::Talk(resources))
            .await
            .map(drop)
    }

    async fn simple(
        &self,
        reaper: &Arc<Reaper>,
        verb: &'static str,
        flags: &[&OsStr],
    ) -> Result<(), RuntimeError> {
        let mut arguments = flags.to_vec();
        arguments.push(self.id.as_ref());
        let call = Call {
            verb,
            log: "log.json",
            deadline: DEADLINE,
        };
        self.run(reaper, &call, &arguments, Io::Talk(Vec::new()))
            .await
            .map(drop)
    }

    /// Runs one verb to its end and returns what it said.
    async fn run(
        &self,
        reaper: &Arc<Reaper>,
        call: &Call<'_>,
        arguments: &[&OsStr],
        io: Io,
    ) -> Result<Vec<u8>, RuntimeError> {
        let verb = call.verb;
        let _phase = trace::phase(format!("runtime {verb}"));
        let log = self.bundle.join(call.log);
        let log_start = std::fs::metadata(&log).map_or(0, |meta| meta.len());
        let spawn_error = |source| RuntimeError::Spawn {
            verb,
            binary: self.program.path().to_owned(),
            source,
        };
        let expectation = reaper.expect();
        let mut command = self.command(&log, verb, arguments);
        let (child, output) = spawn(&mut command, io).map_err(spawn_error)?;
        // The command keeps the child's ends of its streams.
        drop(command);
        let pid = Pid::from_raw(i32::try_from(child).expect("a pid fits in i32"))
            .expect("a child has a pid");
        let end = expectation.wait_for(pid);
        drop(expectation);
        let Ok((exit, said)) =
            timeout(call.deadline, async { (end.await, collect(output).await) }).await
        else {
            // Its number cannot be another's: only the reaper, which was not asked, lets it go.
            if let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
                let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
            }
            return Err(RuntimeError::Deadline {
                verb,
                after: call.deadline,
            });
        };
        match exit {
            Ok(exit) if exit.status == 0 => Ok(said),
            Ok(exit) => {
                let message = report::last_error(&log, log_start).unwrap_or_else(|| {
                    let said = String::from_utf8_lossy(&said);
                    format!("exit status {}: {}", exit.status, said.trim())
                });
                Err(RuntimeError::Refused { verb, message })
            }
            Err(_) => Err(RuntimeError::Refused {
                verb,
                message: "its end was not seen".to_owned(),
            }),
        }
    }

    fn command(&self, log: &Path, verb: &str, arguments: &[&OsStr]) -> Command {
        let mut command = match verb {
            "create" | "exec" => self.program.command_that_enters(),
            _ => self.program.command(),
        };
        command.arg("--root").arg(&self.root).arg("--log").arg(log);
        command.args(["--log-format", "json"]);
        if self.systemd_cgroup {
            command.arg("--systemd-cgroup");
        }
        command.arg(verb).args(arguments);
        // A server is there already; changing folders would make it fork where it can vfork.
        if std::env::current_dir().ok().as_ref() != Some(&self.bundle) {
            command.current_dir(&self.bundle);
        }
        command
    }
}

#[derive(Debug)]
struct Call<'a> {
    verb: &'static str,
    /// The log's name in the bundle.
    log: &'a str,
    deadline: Duration,
}

fn read_pid(verb: &'static str, path: &Path) -> Result<Pid, RuntimeError> {
    std::fs::read_to_string(path)
        .and_then(|text| {
            let pid = text
                .trim()
                .parse()
                .ok()
                .filter(|pid| *pid > 0)
                .and_then(Pid::from_raw);
            pid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no pid in it"))
        })
        .map_err(|source| RuntimeError::Result {
            verb,
            path: path.to_owned(),
            source,
        })
}

/// A refusal that means that there is nothing (left) to act on.
fn gone(error: RuntimeError) -> RuntimeError {
    let RuntimeError::Refused { message, .. } = &error else {
        return error;
    };
    let ended = [
        "process already finished",
        "container not running",
        "no such process",
    ];
    if ended.iter().any(|text| message.contains(text)) {
        RuntimeError::Gone("process already finished")
    } else if message.contains("does not exist") {
        RuntimeError::Gone("no such container")
    } else {
        error
    }
}

/// The runtime that is asked for by no name.
const DEFAULT: &str = "runc-lite";

/// Finds the runtime: a path as it is, a name in `PATH`, none beside our own executable.
pub(crate) fn find_binary(name: &str) -> PathBuf {
    if name.contains('/') {
        return PathBuf::from(name);
    }
    let in_path = |name: &str| {
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/sbin:/usr/bin"));
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    };
    if name.is_empty() {
        return program::own()
            .filter(|file| file.is_file())
            .or_else(|| in_path(DEFAULT))
            .unwrap_or_else(|| PathBuf::from(DEFAULT));
    }
    in_path(name).unwrap_or_else(|| PathBuf::from(name))
}
