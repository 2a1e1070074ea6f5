//! The two calls of a shim's binary: `start`, which leaves a server running, and `delete`, which
//! cleans up after one (containerd's runtime v2 protocol).

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use gantry_errors::{Classify, ErrorKind};
use gantry_proto::containerd::task::v3::DeleteResponse;
use gantry_proto::convert::time;
use gantry_proto::uds;
use gantry_telemetry::trace;
use prost::Message;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::Bundle;
use crate::names::Key;
use crate::task::Exit;
use crate::typed::Typed;

/// How long `start` and `delete` may take.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const ANSWER_LIMIT: u64 = 64 << 10;
/// How much of the shim's log an error quotes, in bytes.
const QUOTE_LIMIT: usize = 2 << 10;

/// Why a shim could not be started or called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    /// The binary does not run.
    #[error("run shim {binary}")]
    Run {
        /// The binary.
        binary: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// No binary of the runtime's name was found.
    #[error("runtime {runtime:?}: no shim {name:?} in PATH: not found")]
    Missing {
        /// The runtime a container asked for.
        runtime: String,
        /// The binary that belongs to it.
        name: String,
    },
    /// The runtime's name says nothing.
    #[error(
        "runtime {0:?} is neither a path nor a name like io.containerd.runc.v2: invalid argument"
    )]
    Name(String),
    /// It could not be talked to.
    #[error("talk to shim {verb}")]
    Pipe {
        /// Which call.
        verb: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("shim {verb} did not end within {} s", START_LIMIT.as_secs())]
    Deadline {
        /// Which call.
        verb: &'static str,
    },
    /// It failed.
    #[error("shim {verb} failed with {status}: {log}")]
    Failed {
        /// Which call.
        verb: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it logged.
        log: String,
    },
    /// It said something that is not an answer.
    #[error("shim {verb} answered {answer:?}")]
    Answer {
        /// Which call.
        verb: &'static str,
        /// What it said.
        answer: String,
    },
    /// It speaks what this program does not.
    #[error("shim speaks {0}, this supervisor drives shims by gRPC: not implemented")]
    Protocol(String),
}

impl Classify for LaunchError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::NotFound,
            Self::Name(_) => ErrorKind::InvalidArgument,
            Self::Run { source, .. } | Self::Pipe { source, .. } => source.kind().into(),
            Self::Deadline { .. } => ErrorKind::DeadlineExceeded,
            Self::Failed { .. } | Self::Answer { .. } => ErrorKind::Unknown,
            Self::Protocol(_) => ErrorKind::Unimplemented,
        }
    }
}

/// Which binary runs a container's shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binary(pub(crate) PathBuf);

/// Starts shims.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    /// Our own shim, which also stands for containerd's `runc` shims.
    pub(crate) own: Binary,
    /// Where the supervisor listens: shims send their events there.
    pub(crate) address: PathBuf,
    /// Whether shims are to log more.
    pub(crate) debug: bool,
}

/// What `start` prints.
#[derive(Debug, Deserialize)]
struct Bootstrap {
    #[serde(default)]
    address: String,
    #[serde(default)]
    protocol: String,
}

impl Launcher {
    /// Where our shims put their sockets.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.address.with_file_name("s")
    }

    /// The binary for a runtime's name, as containerd resolves it; containerd's names for runc mean
    /// our own.
    ///
    /// # Errors
    /// The name is malformed or no such binary is in `PATH`.
    pub(crate) fn resolve(&self, runtime: &str) -> Result<Binary, LaunchError> {
        match runtime {
            "" | "io.containerd.runc.v1" | "io.containerd.runc.v2" | "io.containerd.lite.v2" => {
                return Ok(self.own.clone());
            }
            path if path.starts_with('/') => return Ok(Binary(path.into())),
            _ => {}
        }
        let mut parts = runtime.rsplit('.');
        let (Some(version), Some(kind), Some(_)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(LaunchError::Name(runtime.to_owned()));
        };
        let name = format!("containerd-shim-{kind}-{version}");
        find(&name).map(Binary).ok_or_else(|| LaunchError::Missing {
            runtime: runtime.to_owned(),
            name,
        })
    }

    /// Starts a shim for the container in `bundle`; the path of its socket.
    ///
    /// # Errors
    /// It does not run, fails, or speaks no gRPC.
    pub(crate) async fn start(
        &self,
        binary: &Binary,
        key: &Key,
        bundle: &Bundle,
        options: Option<&Typed>,
    ) -> Result<PathBuf, LaunchError> {
        let mut command = self.command(binary, key, bundle)?;
        let mut child = run(binary, command.arg("start").stdin(Stdio::piped()))?;
        let options = options.map(|options| prost_types::Any::from(options).encode_to_vec());
        let talk = async {
            if let (Some(mut stdin), Some(options)) = (child.stdin.take(), options) {
                // A shim that needs no options may close its end unread.
                let _ = stdin.write_all(&options).await;
            }
            bootstrap(&mut child, bundle).await
        };
        let answer = tokio::time::timeout(START_LIMIT, talk).await;
        let answer = answer.map_err(|_| LaunchError::Deadline { verb: "start" })??;
        if answer.protocol != "grpc" {
            return Err(LaunchError::Protocol(answer.protocol));
        }
        Ok(uds::path_of(&answer.address).to_owned())
    }

    /// Cleans up after a shim: kills what runs, unmounts, deletes the runtime's state. Gives the exit
    /// the shim had written down, if it had.
    ///
    /// # Errors
    /// It does not run or fails.
    pub(crate) async fn delete(
        &self,
        binary: &Binary,
        key: &Key,
        bundle: &Bundle,
    ) -> Result<Option<Exit>, LaunchError> {
        let mut command = self.command(binary, key, bundle)?;
        command.arg("-bundle").arg(bundle.path()).arg("delete");
        let child = run(binary, command.stdin(Stdio::null()).kill_on_drop(true))?;
        let ended = tokio::time::timeout(START_LIMIT, child.wait_with_output()).await;
        let output = ended
            .map_err(|_| LaunchError::Deadline { verb: "delete" })?
            .map_err(|source| LaunchError::Pipe {
                verb: "delete",
                source,
            })?;
        if !output.status.success() {
            return Err(failed("delete", output.status, bundle));
        }
        let answer =
            DeleteResponse::decode(output.stdout.as_slice()).map_err(|_| LaunchError::Answer {
                verb: "delete",
                answer: String::from_utf8_lossy(&output.stdout).into_owned(),
            })?;
        Ok(
            time::from_wire(answer.exited_at.as_ref()).map(|at: SystemTime| Exit {
                status: answer.exit_status,
                at,
            }),
        )
    }

    fn command(&self, binary: &Binary, key: &Key, bundle: &Bundle) -> Result<Command, LaunchError> {
        let log = bundle.path().join("shim.log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log);
        let log = log.map_err(|source| LaunchError::Pipe {
            verb: "log",
            source,
        })?;
        let mut command = Command::new(&binary.0);
        command
            .current_dir(bundle.path())
            .env("GRPC_ADDRESS", &self.address)
            .env("TTRPC_ADDRESS", format!("{}.ttrpc", self.address.display()))
            .env("NAMESPACE", key.namespace.as_str())
            .env("MAX_SHIM_VERSION", "3")
            .args(["-namespace", key.namespace.as_str()])
            .arg("-address")
            .arg(&self.address)
            .args(["-id", key.id.as_str()])
            .stdout(Stdio::piped())
            .stderr(log);
        if let Some(trace) = trace::file() {
            command.env(trace::VARIABLE, trace);
        }
        if self.debug {
            command.arg("-debug");
        }
        Ok(command)
    }
}

fn run(binary: &Binary, command: &mut Command) -> Result<Child, LaunchError> {
    command.spawn().map_err(|source| LaunchError::Run {
        binary: binary.0.clone(),
        source,
    })
}

/// Reads what `start` prints. JSON ends itself; a bare address ends with the pipe.
async fn bootstrap(child: &mut Child, bundle: &Bundle) -> Result<Bootstrap, LaunchError> {
    let failed_pipe = |source| LaunchError::Pipe {
        verb: "start",
        source,
    };
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let mut stdout = stdout.take(ANSWER_LIMIT);
        while stdout.read_buf(&mut answer).await.map_err(failed_pipe)? > 0 {
            if let Ok(bootstrap) = serde_json::from_slice(&answer) {
                // The child is reaped by the runtime.
                return Ok(bootstrap);
            }
        }
    }
    let status = child.wait().await.map_err(failed_pipe)?;
    if !status.success() {
        return Err(failed("start", status, bundle));
    }
    let answer = String::from_utf8_lossy(&answer).trim().to_owned();
    if answer.starts_with("unix://") {
        return Ok(Bootstrap {
            address: answer,
            protocol: "ttrpc".into(),
        });
    }
    let verb = "start";
    Err(LaunchError::Answer { verb, answer })
}

fn failed(verb: &'static str, status: ExitStatus, bundle: &Bundle) -> LaunchError {
    let log = std::fs::read(bundle.path().join("shim.log")).unwrap_or_default();
    let log = &log[log.len().saturating_sub(QUOTE_LIMIT)..];
    let log = String::from_utf8_lossy(log).trim().to_owned();
    LaunchError::Failed { verb, status, log }
}

/// The first file of that name in `PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| Path::is_file(file))
}
