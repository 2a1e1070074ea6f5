//! gantryd's own containerd-lite: found where one runs, started where none does, started again when
//! it dies.
//!
//! It outlives gantryd: a session of its own, its own log file, no pipe to its parent. It is found
//! again by its socket; who listens there is asked of the kernel (the socket's peer credentials), so
//! that its death is seen at once and without polling. With `--containerd` none of this runs.

use std::{
    env,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use gantry_telemetry::trace;
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags},
};
use tokio::{net::UnixStream, sync::oneshot, time::Instant};

/// The binary's name.
const PROGRAM: &str = "containerd-lite";
/// How long it may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(15);
/// The pause between two looks while it starts.
const START_POLL: Duration = Duration::from_millis(2);
/// The pause before it is started again after a death.
const RESTART_PAUSE: Duration = Duration::from_millis(20);

/// Why there is no supervisor.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// Not beside gantryd and not in PATH.
    #[error("{PROGRAM} was found neither beside gantryd nor in PATH")]
    NotFound,
    /// A directory or its log could not be made.
    #[error("prepare {path} for {PROGRAM}")]
    Prepare {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It could not be executed.
    #[error("start {path}")]
    Spawn {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It did not begin to listen.
    #[error("{PROGRAM} does not listen on {socket} after {} s; its log is {log}", START_LIMIT.as_secs())]
    Silent { socket: PathBuf, log: PathBuf },
}

/// Where the supervisor lives.
#[derive(Debug, Clone)]
pub struct Supervision {
    /// Its durable directory (`--root`); its log lies there too.
    pub root: PathBuf,
    /// Its run-time directory (`--state`), with its sockets.
    pub state: PathBuf,
    /// `--log-level`.
    pub log_level: String,
}

impl Supervision {
    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state.join("containerd.sock")
    }

    /// The socket it keeps descriptors on.
    #[must_use]
    pub fn keeper(&self) -> PathBuf {
        self.state.join("keeper.sock")
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("containerd-lite.log")
    }

    /// Finds the one that runs, or starts one and waits until it listens.
    ///
    /// # Errors
    /// [`SuperviseError`].
    pub async fn ensure(&self) -> Result<Running, SuperviseError> {
        if let Some(running) = Running::find(&self.socket()).await {
            return Ok(running);
        }
        self.spawn()?;
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Some(running) = Running::find(&self.socket()).await {
                tracing::info!(pid = running.pid, "started {PROGRAM}");
                return Ok(running);
            }
            tokio::time::sleep(START_POLL).await;
        }
        Err(SuperviseError::Silent {
            socket: self.socket(),
            log: self.log(),
        })
    }

    /// Watches over the one that runs, and over its successors, for as long as gantryd lives.
    pub fn watch(self, running: Running) {
        tokio::spawn(async move {
            let mut current = running;
            loop {
                let pid = current.pid;
                current.died().await;
                tracing::warn!(pid, "{PROGRAM} died; starting it again");
                current = loop {
                    match self.ensure().await {
                        Ok(running) => break running,
                        Err(error) => {
                            let error = gantry_errors::chain(&error).to_string();
                            tracing::error!(error, "cannot start {PROGRAM}");
                        }
                    }
                    tokio::time::sleep(RESTART_PAUSE).await;
                };
            }
        });
    }

    fn spawn(&self) -> Result<(), SuperviseError> {
        let program = find(PROGRAM).ok_or(SuperviseError::NotFound)?;
        for dir in [&self.root, &self.state] {
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o711)
                .create(dir);
            made.map_err(|source| SuperviseError::Prepare {
                path: dir.clone(),
                source,
            })?;
        }
        let prepare = |source| SuperviseError::Prepare {
            path: self.log(),
            source,
        };
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(prepare)?;
        let errors = log.try_clone().map_err(prepare)?;
        let mut command = Command::new(&program);
        command
            .arg("--address")
            .arg(self.socket())
            .arg("--root")
            .arg(&self.root)
            .arg("--state")
            .arg(&self.state)
            .args(["--log-level", &self.log_level])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors));
        if let Some(file) = trace::file() {
            command.env(trace::VARIABLE, file);
        }
        let mut child = gantry_linux::detach::new_session(&mut command)
            .spawn()
            .map_err(|source| SuperviseError::Spawn {
                path: program,
                source,
            })?;
        // It is this process's child for as long as this process lives, and must be reaped.
        let reap = std::thread::Builder::new().name("reap".to_owned());
        drop(reap.spawn(move || child.wait()));
        Ok(())
    }
}

/// A supervisor that listens.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub pid: i32,
    exit: oneshot::Receiver<()>,
}

impl Running {
    /// The process that listens on `socket`, if one does.
    async fn find(socket: &Path) -> Option<Self> {
        let stream: UnixStream = gantry_proto::uds::stream(socket).await.ok()?;
        let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
        let exit = rustix::process::pidfd_open(peer.pid, PidfdFlags::NONBLOCK).ok()?;
        let (ended, receiver) = oneshot::channel();
        // A thread of its own that sleeps in poll(2): a pidfd is readable once its process ended.
        let watch = move || {
            let mut descriptors = [PollFd::new(&exit, PollFlags::IN)];
            let polled = rustix::io::retry_on_intr(|| poll(&mut descriptors, None));
            if polled.is_ok() {
                // Nobody waits for it any more once the daemon drains.
                let _ = ended.send(());
            }
        };
        let thread = std::thread::Builder::new().name("supervisor".to_owned());
        thread.spawn(watch).ok()?;
        Some(Self {
            pid: Pid::as_raw(Some(peer.pid)),
            exit: receiver,
        })
    }

    /// Waits for its end.
    async fn died(self) {
        if self.exit.await.is_err() {
            tracing::error!("cannot watch {PROGRAM}");
            std::future::pending::<()>().await;
        }
    }
}

/// A program by its path, or by a name that [`find`] finds; a name that it does not find is left to
/// whoever runs it.
#[must_use]
pub fn program(path: &str) -> PathBuf {
    if path.contains('/') {
        return PathBuf::from(path);
    }
    find(path).unwrap_or_else(|| PathBuf::from(path))
}

/// A program beside this one's executable, else in PATH.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let beside = env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join(program)));
    let in_path = env::var_os("PATH").unwrap_or_default();
    let in_path: Vec<PathBuf> = env::split_paths(&in_path)
        .map(|dir| dir.join(program))
        .collect();
    beside
        .into_iter()
        .chain(in_path)
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
