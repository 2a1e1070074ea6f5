//! Programs of builds: containers without a record, in a namespace of their own at the supervisor.
//!
//! Nothing lists them. Each has its directory beneath the exec root, its network namespace and its
//! task; whatever way a program ends, all three go before its end is told. What a killed engine left
//! is swept at the next start.

mod group;
mod record;
mod shell;

use std::io::Read;
use std::net::{IpAddr, Shutdown};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Output;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gantry_build::{Cancel, Refusal, Run, RunError, Runner, Stream};
use gantry_errors::{Classify, ErrorKind, chain};
use gantry_ids::ContainerId;
use gantry_stdio::Attach;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::archive::Root;
use super::error::ContainerError;
use super::files::Files;
use super::joins::Joins;
use super::model::Record;
use super::registry::Parts;
use super::spec::{self, devices};
use super::start::{Prepared, told};
use super::task::new_task;
use super::{accounts, endpoints};
use crate::runtime::{RuntimeError, Supervisor, stdio};
use group::Groups;
use shell::Shells;
pub use shell::Visitor;

/// The supervisor's namespace of programs.
const NAMESPACE: &str = "build";
/// How long a killed program's end may take to be known.
const END_LIMIT: Duration = Duration::from_secs(20);
/// The longest pause before the end of a program is asked for again.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// Bytes of a header of docker's framed streams.
const HEADER_BYTES: usize = 8;

/// Who is told what a program writes.
type Told<'a> = &'a (dyn Fn(Stream, &[u8]) + Sync);

/// Runs programs of builds.
#[derive(Debug)]
pub struct Programs {
    parts: Arc<Parts>,
    supervisor: Supervisor,
    runtime: Handle,
    /// A directory per program.
    root: PathBuf,
    groups: Groups,
    shells: Shells,
}

impl Programs {
    /// Must be called inside the async runtime.
    #[must_use]
    pub(crate) fn new(parts: Arc<Parts>, root: PathBuf) -> Self {
        Self {
            supervisor: parts.supervisor.in_namespace(NAMESPACE),
            runtime: Handle::current(),
            parts,
            groups: Groups::new(root.with_file_name("groups")),
            shells: Shells::default(),
            root,
        }
    }

    /// The address that programs reach the host by.
    pub(crate) fn host_gateway(&self) -> Option<IpAddr> {
        self.parts.networks.host_gateway()
    }

    /// Ends programs that a killed engine left.
    pub(crate) async fn sweep(&self) {
        let left = self.supervisor.list().await.unwrap_or_default();
        for task in left {
            if let Ok(id) = task.id.parse::<ContainerId>() {
                tracing::info!(container.id = %id, "ending a program of a build that is gone");
                self.end(&id).await;
            }
        }
        drop(std::fs::remove_dir_all(&self.root));
        self.groups.sweep();
    }

    /// Kills a program and deletes its task; answers its exit code if it had a task.
    async fn end(&self, id: &ContainerId) -> Option<u32> {
        // It may have ended already.
        drop(self.supervisor.kill(id, "", 9).await);
        self.reap(id, Some(END_LIMIT)).await
    }

    /// Waits for the end of a program, for so long at most.
    async fn reap(&self, id: &ContainerId, limit: Option<Duration>) -> Option<u32> {
        let wait = async {
            let mut pause = Duration::from_millis(1);
            loop {
                match self.supervisor.delete(id).await {
                    Ok(ended) => return ended.map(|ended| ended.code),
                    Err(_) => tokio::time::sleep(pause).await,
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
        };
        match limit {
            None => wait.await,
            Some(limit) => tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| {
                tracing::warn!(container.id = %id, "a program of a build does not end");
                None
            }),
        }
    }

    /// From preparation to the start of the program, whose streams are attached to a socket.
    async fn start(
        &self,
        record: &Record,
        run: &Run<'_>,
        (attach, stream): (Attach, OwnedFd),
    ) -> Result<(), ContainerError> {
        let parts = &self.parts;
        let files = Files::beneath(&self.root.join(record.id.as_str()));
        let prepared = prepare(parts, record, run, &files)?;
        let task = new_task(parts, record, prepared, Joins::default())?;
        let connect = {
            let (parts, record) = (Arc::clone(parts), record.clone());
            super::create::blocking(move || endpoints::connect_all(&parts, &record))
        };
        let (created, connected) = tokio::join!(self.supervisor.create(task), connect);
        created.map_err(|error| refused("create", &error))?;
        let addresses: Vec<_> = connected?
            .iter()
            .filter_map(|endpoint| endpoint.ip.map(IpAddr::V4))
            .collect();
        if !addresses.is_empty() {
            files.write_hosts(record, parts, (&[], &addresses))?;
        }
        let socket = self.parts.io_socket(&record.id);
        let handed = stdio::hand_over(socket, attach, stream).await;
        handed.map_err(|source| ContainerError::Attach {
            id: record.id.clone(),
            source,
        })?;
        let started = self.supervisor.start(&record.id, "").await;
        started.map(drop).map_err(|error| refused("start", &error))
    }

    /// Lets async work go on until the build is cancelled.
    fn unless_cancelled<T>(
        &self,
        cancel: &Cancel,
        work: impl Future<Output = Result<T, RunError>>,
    ) -> Result<T, RunError> {
        let (sender, cancelled) = oneshot::channel::<()>();
        let _waiting = cancel.on_cancel(move || {
            let _ = sender.send(());
        });
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                Ok(()) = cancelled => Err(RunError::Cancelled),
                outcome = work => outcome,
            }
        })
    }

    /// Starts a program, passes its output on and waits for its end.
    fn live(
        &self,
        record: &Record,
        run: &Run<'_>,
        (output, cancel): (Told<'_>, &Cancel),
    ) -> Result<u32, RunError> {
        let (mut stream, theirs) = Output::pair().map_err(|source| {
            refusal(&ContainerError::File {
                step: "make the streams of",
                path: self.root.join(record.id.as_str()),
                source,
            })
        })?;
        let attach = Attach {
            stdout: true,
            stderr: true,
            framed: true,
            ..Attach::default()
        };
        let start = async {
            let started = self.start(record, run, (attach, theirs.into())).await;
            started.map_err(|error| refusal(&error))
        };
        self.unless_cancelled(cancel, start)?;
        {
            // Whoever is told may wait for a client: nothing async is held meanwhile.
            let ours = stream.try_clone();
            let _waiting = cancel.on_cancel(move || {
                if let Ok(ours) = ours {
                    let _ = ours.shutdown(Shutdown::Both);
                }
            });
            pass_on(&mut stream, output);
        }
        self.unless_cancelled(cancel, async {
            let code = self.reap(&record.id, None).await;
            code.ok_or_else(|| refusal(&ContainerError::Gone(record.id.clone())))
        })
    }

    /// Lets a program live in the group of its build with a directory of its own; nothing of it is
    /// left then.
    fn within(
        &self,
        record: &Record,
        run: &Run<'_>,
        live: impl FnOnce() -> Result<u32, RunError>,
    ) -> Result<u32, RunError> {
        let grouped = self.groups.enter(run.build, &record.host);
        grouped.map_err(|error| refusal(&error))?;
        let dir = self.root.join(record.id.as_str());
        std::fs::create_dir_all(&dir).map_err(|source| {
            let step = "make";
            refusal(&ContainerError::File {
                step,
                path: dir,
                source,
            })
        })?;
        let outcome = live();
        if outcome.is_err() {
            self.runtime.block_on(self.end(&record.id));
        }
        self.clear(&record.id);
        outcome
    }

    /// Takes everything of a program away.
    fn clear(&self, id: &ContainerId) {
        if let Err(error) = self.parts.networks.release(id) {
            let error = chain(&error).to_string();
            tracing::warn!(container.id = %id, error, "the network of a program was not released");
        }
        let dir = self.root.join(id.as_str());
        if let Err(error) = std::fs::remove_dir_all(&dir) {
            tracing::warn!(path = %dir.display(), %error, "a program of a build left files");
        }
    }
}

impl Runner for Programs {
    fn run(
        &self,
        run: &Run<'_>,
        output: &(dyn Fn(Stream, &[u8]) + Sync),
        cancel: &Cancel,
    ) -> Result<u32, RunError> {
        let record = record::of(&self.parts, run).map_err(|error| refusal(&error))?;
        self.within(&record, run, || self.live(&record, run, (output, cancel)))
    }

    fn ended(&self, build: &str) {
        self.groups.leave(build);
    }
}

fn refused(what: &'static str, error: &RuntimeError) -> ContainerError {
    let text = format!("failed to {what} task for container: {}", told(error));
    ContainerError::Start(super::refusal::Refusal::of(&text))
}

fn refusal(error: &ContainerError) -> RunError {
    let kind = match error.kind() {
        // The request was sound: what it asked to run is not.
        ErrorKind::NotFound => ErrorKind::Unknown,
        kind => kind,
    };
    RunError::Refused(Refusal::new(kind, chain(error).to_string()))
}

/// Passes the program's output on until it has closed both of its streams.
fn pass_on(stream: &mut Output, output: &(dyn Fn(Stream, &[u8]) + Sync)) {
    let mut bytes = Vec::new();
    loop {
        let mut header = [0; HEADER_BYTES];
        if stream.read_exact(&mut header).is_err() {
            return;
        }
        let [kind, _, _, _, length @ ..] = header;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(0);
        bytes.resize(length, 0);
        if stream.read_exact(&mut bytes).is_err() {
            return;
        }
        let which = if kind == 2 {
            Stream::Stderr
        } else {
            Stream::Stdout
        };
        output(which, &bytes);
    }
}

/// Files, accounts, devices, the network namespace.
fn prepare(
    parts: &Parts,
    record: &Record,
    run: &Run<'_>,
    files: &Files,
) -> Result<Prepared, ContainerError> {
    let failed = |source| ContainerError::File {
        step: "mount",
        path: run.rootfs.upper.clone(),
        source,
    };
    let root = Root::of_mount(run.rootfs.open().map_err(failed)?);
    let (passwd, group) = accounts::of_root(&root);
    drop(root);
    files.write_first(record, parts)?;
    let sandbox = match record.host.network_mode.as_str() {
        "host" => None,
        _ => Some(parts.networks.create_sandbox(&record.id)?.path),
    };
    Ok(Prepared {
        files: Some(files.clone()),
        shm: None,
        passwd,
        group,
        devices: devices::grant(&record.host).map_err(spec::SpecError::from)?,
        rootfs: run.rootfs.clone(),
        sandbox: sandbox.map(|path| path.display().to_string()),
    })
}
