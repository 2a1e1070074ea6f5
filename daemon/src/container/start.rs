//! `start`: the graph of ADR 3 and the design's "life of run".
//!
//! ```text
//! files, sandbox ──┬── network: address, veth, ports ──────────┬── hosts ── attached clients ── start
//!                  └── task: shim, root mounted, create ───────┘
//! ```
//!
//! What a failed start made is taken back, and the record says why it failed, with the exit code that
//! stock clients expect (126, 127, 128).

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gantry_telemetry::failpoint;
use jiff::Timestamp;
use tracing::{Instrument, debug_span};

use super::{
    actor::Actor,
    create::{bind_source, blocking},
    endpoints,
    error::ContainerError,
    failpoints,
    files::Files,
    model::Record,
    mounts::Source,
    refusal::{self, Refusal},
    registry::Parts,
    spec::{
        self, devices,
        namespaces::{Mode, mode},
    },
    state::{Event, Exit, Life, Rejected, may_start, step},
    task::new_task,
    volumes,
};
use crate::runtime::RuntimeError;

/// How long a killed process's end may take to be known.
const END_LIMIT: Duration = Duration::from_secs(5);
/// The pause before a deletion is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// What the first, synchronous part of a start found.
pub(super) struct Prepared {
    pub(super) files: Option<Files>,
    pub(super) passwd: String,
    pub(super) group: String,
    pub(super) devices: devices::Granted,
    pub(super) rootfs: gantry_layer::Rootfs,
    pub(super) sandbox: Option<String>,
    /// Shared memory that others may join.
    pub(super) shm: Option<std::path::PathBuf>,
}

impl Actor {
    /// `docker start`: forgets that the user stopped it, and the policy's count.
    pub(super) async fn start_by_user(&mut self) -> Result<(), ContainerError> {
        self.cancel_restart();
        self.delay = None;
        self.start(true).await
    }

    /// Starts the container, by the user or by the policy.
    pub(super) async fn start(&mut self, by_user: bool) -> Result<(), ContainerError> {
        may_start(&self.record.life).map_err(|why| self.refused(why))?;
        if self.task_left {
            self.end_task().await?;
        }
        self.task_rests = None;
        self.oom = false;
        self.removal_wanted = false;
        match self.launch(by_user).await {
            Ok(()) => {
                self.publish();
                let record = &self.record;
                self.all.parts.announce(record, "start", &[]);
                Ok(failpoint(failpoints::START_ANNOUNCED)?)
            }
            Err(error) => {
                self.failed_to_start(&error).await;
                Err(error)
            }
        }
    }

    fn refused(&self, why: Rejected) -> ContainerError {
        match why {
            Rejected::Running => ContainerError::NotModified(self.record.id.clone()),
            Rejected::Paused => ContainerError::Conflict(
                "cannot start a paused container, try unpause instead".to_owned(),
            ),
            Rejected::Removing | Rejected::Dead => ContainerError::Conflict(
                "container is marked for removal and cannot be started".to_owned(),
            ),
            Rejected::NotRunning | Rejected::NotPaused | Rejected::NotRestarting => {
                ContainerError::Conflict(format!("container {} {why}", self.record.id))
            }
        }
    }

    #[tracing::instrument(level = "debug", name = "start", skip_all, fields(container.id = %self.record.id))]
    async fn launch(&mut self, by_user: bool) -> Result<(), ContainerError> {
        let parts = self.parts();
        let mut joins = self.all.joins(&self.record)?;
        let links = std::mem::take(&mut joins.links);
        // Until the record says so, a later engine must hear of the start again.
        let _hold = parts.watermark.hold();
        let record = Arc::clone(&self.record);
        let prepared = {
            let (parts, record) = (Arc::clone(&parts), Arc::clone(&record));
            let prepared = blocking(move || prepare(&parts, &record));
            prepared.instrument(debug_span!("prepare")).await?
        };
        failpoint(failpoints::START_SANDBOX)?;
        let files = prepared.files.clone();
        let (shown, places) = volumes::places_of(&parts, &record, &prepared).await?;
        let task = debug_span!("spec").in_scope(|| new_task(&parts, &shown, prepared, joins))?;
        self.task_left = true;
        let connect = {
            let (parts, record) = (Arc::clone(&parts), Arc::clone(&record));
            let connect = blocking(move || endpoints::connect_all(&parts, &record));
            connect.instrument(debug_span!("network"))
        };
        let (created, endpoints) = tokio::join!(parts.supervisor.create(task), connect);
        // The container has mounts of its own now.
        drop(places);
        created.map_err(|error| runtime_refused("create", &error))?;
        let endpoints = endpoints?;
        for endpoint in &endpoints {
            parts.announce_network("connect", endpoint);
        }
        let addresses: Vec<_> = endpoints
            .iter()
            .flat_map(gantry_network::Endpoint::addresses)
            .map(|net| net.addr())
            .collect();
        if let (Some(files), false) = (files, addresses.is_empty()) {
            files.write_hosts(&record, &parts, (&links, &addresses))?;
        }
        self.all.parts.announce_volumes(&self.record, "mount");
        failpoint(failpoints::START_CREATED)?;
        super::membership::serve_names(&parts, &record).await;
        super::api_socket::keep_with_shim(&parts, &record).await;
        self.hand_over_pending().await?;
        // Before it runs: a short process may have ended when the answer comes.
        let began = Timestamp::now();
        let pid = parts
            .supervisor
            .start(&record.id, "")
            .await
            .map_err(|error| runtime_refused("start", &error))?;
        failpoint(failpoints::START_STARTED)?;
        self.mark_started(pid, began, by_user).await?;
        failpoint(failpoints::START_PERSISTED)?;
        Ok(())
    }

    /// Writes that the process runs.
    pub(super) async fn mark_started(
        &mut self,
        pid: u32,
        at: Timestamp,
        by_user: bool,
    ) -> Result<(), ContainerError> {
        let life =
            step(&self.record.life, Event::Started { pid, at }).map_err(|why| self.refused(why))?;
        self.persist_run(|record| {
            if let Life::Exited { exit } | Life::Restarting { exit } = &record.life {
                record.last.exit = exit.clone();
            }
            record.oom = false;
            record.halted = false;
            record.last.exit.error.clear();
            record.last.started = Some(at);
            record.life = life;
            if by_user {
                record.restarts = 0;
                record.stopped_by_user = false;
            }
        })
        .await
    }

    /// Clients that attached before the start miss nothing: they join before the process runs.
    #[tracing::instrument(level = "debug", name = "join clients", skip_all)]
    async fn hand_over_pending(&mut self) -> Result<(), ContainerError> {
        let socket = self.all.parts.io_socket(&self.record.id);
        for (attach, stream) in std::mem::take(&mut self.pending) {
            super::attach::join((socket.clone(), None), attach, stream)
                .await
                .map_err(|source| ContainerError::Attach {
                    id: self.record.id.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    /// Takes back what the start made and writes why it failed.
    async fn failed_to_start(&mut self, error: &ContainerError) {
        self.pending.clear();
        drop(self.all.parts.supervisor.kill(&self.record.id, "", 9).await);
        if let Err(left) = self.delete_task().await {
            let error = gantry_errors::chain(&left).to_string();
            tracing::warn!(container.id = %self.record.id, error, "a failed start left its task");
        }
        self.announce_leaving();
        self.release_network().await;
        let message = gantry_errors::chain(error).to_string();
        let exit = Exit {
            code: match error {
                ContainerError::Start(refusal) => refusal.exit_code,
                _ => refusal::UNKNOWN,
            },
            oom: false,
            finished: self.record.last.exit.finished,
            error: message,
        };
        if let Ok(life) = step(&self.record.life, Event::StartFailed { exit: exit.clone() }) {
            let written = self
                .persist_run(|record| {
                    record.last.exit = exit;
                    record.life = life;
                })
                .await;
            if let Err(error) = written {
                let error = gantry_errors::chain(&error).to_string();
                tracing::error!(container.id = %self.record.id, error, "a failed start was not written");
            }
        }
        self.exits += 1;
        self.publish();
        if self.record.host.auto_remove {
            self.remove_by_itself().await;
        }
    }

    /// Lets the supervisor forget the last run's task.
    pub(super) async fn delete_task(&mut self) -> Result<(), ContainerError> {
        self.all
            .parts
            .supervisor
            .delete(&self.record.id)
            .await
            .map_err(|source| ContainerError::Runtime {
                step: "delete the task",
                source,
            })?;
        self.task_left = false;
        Ok(())
    }

    /// Deletes a task whose process may never have been started: it is killed first, and the deletion
    /// tried again until its end is known, since only what has ended can be deleted.
    async fn end_task(&mut self) -> Result<(), ContainerError> {
        // It may have ended already.
        drop(self.all.parts.supervisor.kill(&self.record.id, "", 9).await);
        let limit = Instant::now() + END_LIMIT;
        loop {
            match self.delete_task().await {
                Err(_) if Instant::now() < limit => tokio::time::sleep(RETRY).await,
                other => return other,
            }
        }
    }

    /// Takes down what a start that was cut short has left.
    pub(super) async fn forget_task(&mut self) {
        if !self.task_left || self.record.life.has_process() {
            return;
        }
        if let Err(error) = self.end_task().await {
            let error = gantry_errors::chain(&error).to_string();
            tracing::warn!(container.id = %self.record.id, error, "a start that was cut short left its task");
        }
        self.release_network().await;
    }

    /// Tells that the container leaves its networks; dockerd tells it before the end itself.
    pub(super) fn announce_leaving(&self) {
        let parts = &self.all.parts;
        for endpoint in parts.networks.endpoints(&self.record.id) {
            parts.announce_network("disconnect", &endpoint);
        }
    }

    /// Frees the container's addresses and ports, the memory that it shares, and lets its volumes go.
    #[tracing::instrument(level = "debug", name = "release network", skip_all)]
    pub(super) async fn release_network(&self) {
        let parts = self.parts();
        let id = self.record.id.clone();
        let record = Arc::clone(&self.record);
        let released = blocking(move || {
            volumes::let_go(&parts, &record);
            super::shm::release(&parts, &id);
            Ok(parts.networks.release(&id)?)
        });
        let released = released.await;
        if let Err(error) = released {
            let error = gantry_errors::chain(&error).to_string();
            tracing::warn!(container.id = %self.record.id, error, "the network was not released");
        }
    }
}

/// What dockerd makes of the runtime's words.
fn runtime_refused(what: &'static str, error: &RuntimeError) -> ContainerError {
    let text = format!("failed to {what} task for container: {}", told(error));
    ContainerError::Start(Refusal::of(&text))
}

/// The runtime's text as dockerd shows it: without the kind that containerd puts at its end.
pub(crate) fn told(error: &RuntimeError) -> &str {
    let text = error.message();
    text.strip_suffix(": unknown").unwrap_or(text)
}

/// Files, accounts, devices, the root file system's mounts; beside them the network namespace.
fn prepare(parts: &Parts, record: &Record) -> Result<Prepared, ContainerError> {
    std::thread::scope(|scope| {
        let sandbox = scope.spawn(|| sandbox(parts, record));
        let prepared = prepare_files(parts, record);
        let sandbox = match sandbox.join() {
            Ok(sandbox) => sandbox,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let prepared = prepared?;
        Ok(Prepared {
            sandbox: sandbox?,
            ..prepared
        })
    })
}

/// The container's own network namespace, where it has one.
fn sandbox(parts: &Parts, record: &Record) -> Result<Option<String>, ContainerError> {
    match mode(&record.host.network_mode) {
        Mode::Host | Mode::Container(_) => Ok(None),
        Mode::Default | Mode::Word(_) => {
            for name in record.endpoints.keys() {
                parts.networks.id(name).map_err(ContainerError::Connect)?;
            }
            let sandbox = parts.networks.create_sandbox(&record.id)?;
            Ok(Some(sandbox.path.display().to_string()))
        }
    }
}

/// All but the network namespace.
fn prepare_files(parts: &Parts, record: &Record) -> Result<Prepared, ContainerError> {
    for mount in &record.mounts {
        match &mount.source {
            Source::Bind { path, create, .. } => bind_source(Path::new(path), *create)?,
            Source::Volume { path, .. } => bind_source(Path::new(path), true)?,
            Source::Image { .. } | Source::Tmpfs { .. } => {}
        }
    }
    volumes::hold(parts, record)?;
    super::propagation::check(&record.mounts)?;
    let rootfs =
        parts
            .images
            .adopt_rootfs(&record.id, record.chain.as_ref(), &parts.rw(&record.id))?;
    let (passwd, group) = super::accounts::read(parts, record, &rootfs.upper)?;
    let devices = devices::grant(&record.host).map_err(spec::SpecError::from)?;
    let own = !matches!(mode(&record.host.network_mode), Mode::Container(_));
    let files = own.then(|| {
        let files = Files::beneath(&parts.dir(&record.id));
        files.write_first(record, parts).map(|()| files)
    });
    Ok(Prepared {
        files: files.transpose()?,
        shm: super::shm::provide(parts, record)?,
        passwd,
        group,
        devices,
        rootfs,
        sandbox: None,
    })
}
