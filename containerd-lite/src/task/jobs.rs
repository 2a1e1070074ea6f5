//! What an actor has done in the background: everything that waits for a shim.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gantry_errors::chain;
use gantry_telemetry::failpoint;
use tokio::sync::oneshot;
use tracing::{Instrument, debug_span};

use super::context::Context;
use super::error::TaskError;
use super::handle::{Answer, CreateLoad, Load, Work};
use super::machine::Op;
use super::process::{Exit, ProcessId, Processes};
use super::record::Record;
use crate::event::Event;
use crate::names::Key;
use crate::shim::{Alive, Binary, Bundle, Client, START_LIMIT, Shim, ShimError, drain};

/// How long a shim may take to answer a new supervisor before it is asked again.
const REACH: Duration = Duration::from_secs(5);
/// How long a shim may take to end after `Shutdown`.
const FAREWELL: Duration = Duration::from_secs(3);

/// A job's end.
#[derive(Debug)]
pub(super) enum Done {
    /// The shim answered an operation.
    Called {
        op: Op,
        result: Result<Answer, TaskError>,
        reply: oneshot::Sender<Result<Answer, TaskError>>,
    },
    /// The task was created, or not; the shim where one was started.
    Created {
        op: Op,
        shim: Option<Shim>,
        result: Result<Answer, TaskError>,
        reply: oneshot::Sender<Result<Answer, TaskError>>,
    },
    /// A recovered shim told its state.
    Reached(Shim, Option<Processes>),
    /// A recovered task's shim does not listen any more.
    Unreachable,
    /// The shim's process has ended.
    ShimGone,
    /// A dead shim's remains are gone. These events had not been delivered.
    Interred(Vec<Event>, Option<Exit>),
    /// Shim and bundle are gone. These events had not been delivered.
    Cleaned(Vec<Event>),
}

/// What jobs of one task share.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) context: Arc<Context>,
    pub(super) key: Key,
    pub(super) bundle: Bundle,
}

/// Starts a shim and creates the task in it.
pub(super) async fn create(site: Site, work: Work) -> Done {
    let Work {
        op, load, reply, ..
    } = work;
    let mut shim = None;
    let result = match load {
        Load::Create(load) => create_with(&site, *load, &mut shim).await,
        Load::None | Load::Process(_) => Err(TaskError::NoTask(site.key.id.clone())),
    };
    Done::Created {
        op,
        shim,
        result,
        reply,
    }
}

async fn create_with(
    site: &Site,
    load: CreateLoad,
    shim: &mut Option<Shim>,
) -> Result<Answer, TaskError> {
    let task = || site.key.id.clone();
    let launcher = &site.context.launcher;
    let binary = launcher.resolve(&load.runtime).map_err(TaskError::Launch)?;
    let bundling = debug_span!("bundle").entered();
    let mut prepared = site.bundle.create(&load.spec);
    if binary != launcher.own {
        prepared = prepared.and_then(|()| site.bundle.provide_work());
    }
    prepared.map_err(|source| TaskError::Bundle {
        task: task(),
        source,
    })?;
    let write = |record: &Record| {
        let written = record.write(site.bundle.path());
        written.map_err(|source| TaskError::Record {
            task: task(),
            source,
        })
    };
    let mut record = Record::new(binary.0.clone());
    write(&record)?;
    drop(bundling);
    failpoint("create.bundle")?;
    let options = load.call.options.as_ref();
    let started = launcher.start(&binary, &site.key, &site.bundle, options);
    let socket = started
        .instrument(debug_span!("shim start"))
        .await
        .map_err(TaskError::Launch)?;
    record.socket = Some(socket.clone());
    write(&record)?;
    failpoint("create.shim")?;
    let client = Client::connect(&socket, task(), REACH);
    let client = client.instrument(debug_span!("connect")).await;
    let client = client.map_err(TaskError::Create)?;
    let (held, created) = tokio::join!(
        hold(&client, REACH),
        client
            .create(site.bundle.path(), load.call)
            .instrument(debug_span!("shim Create"))
    );
    let alive = held.map_err(TaskError::Create)?;
    *shim = Some(Shim { client, alive });
    let pid = created.map_err(TaskError::Create)?;
    failpoint("create.task")?;
    Ok(Answer { pid, exit: None })
}

async fn hold(client: &Client, limit: Duration) -> Result<Alive, ShimError> {
    let pid = client.shim_pid(limit).await?;
    Alive::hold(pid).map_err(|source| ShimError::Watch { pid, source })
}

/// Sends an operation to the shim.
pub(super) async fn call(shim: Client, work: Work) -> Done {
    let Work {
        op, load, reply, ..
    } = work;
    let result = match (&op, load) {
        (Op::Start(process), _) => shim.start(process).await.map(answer_pid),
        (Op::Exec(id, stdio), Load::Process(spec)) => {
            let added = shim.exec(id.to_string(), stdio.clone(), spec).await;
            added.map(|()| answer_pid(0))
        }
        (Op::Pause, _) => shim.pause().await.map(|()| answer_pid(0)),
        (Op::Resume, _) => shim.resume().await.map(|()| answer_pid(0)),
        (Op::Delete, _) => shim.delete(&ProcessId::Init).await.map(answer_exit),
        (Op::DeleteExec(id), _) => {
            let process = ProcessId::Exec(id.clone());
            shim.delete(&process).await.map(answer_exit)
        }
        (Op::Create(_) | Op::Exec(..), _) => Ok(answer_pid(0)),
    };
    let result = result.map_err(TaskError::Shim);
    Done::Called { op, result, reply }
}

fn answer_pid(pid: u32) -> Answer {
    Answer { pid, exit: None }
}

fn answer_exit((pid, exit): (u32, Exit)) -> Answer {
    let exit = Some(exit);
    Answer { pid, exit }
}

/// Waits for the shim to end.
pub(super) async fn watch(alive: Alive) -> Done {
    alive.ended().await;
    Done::ShimGone
}

/// Finds the shim of a task that an earlier supervisor left. Asks again for as long as somebody
/// listens on its socket: a stopped or busy shim is not a dead one. `known` is what the record says of
/// the processes; without it only the shim itself is looked for.
pub(super) async fn reach(site: Site, socket: PathBuf, known: Option<Processes>) -> Done {
    loop {
        match reach_once(&site, &socket, known.as_ref()).await {
            Ok(done) => return done,
            Err(ShimError::Connect { source, .. }) => {
                let error = chain(&source).to_string();
                tracing::info!(container.id = %site.key.id, error, "a task's shim is dead");
                return Done::Unreachable;
            }
            Err(error) => {
                let error = chain(&error).to_string();
                tracing::warn!(container.id = %site.key.id, error, "a shim does not answer");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn reach_once(
    site: &Site,
    socket: &Path,
    known: Option<&Processes>,
) -> Result<Done, ShimError> {
    let client = Client::connect(socket, site.key.id.clone(), REACH).await?;
    let alive = hold(&client, REACH).await?;
    let found = match known {
        None => None,
        Some(known) => ask(&client, known).await?,
    };
    Ok(Done::Reached(Shim { client, alive }, found))
}

/// The processes as the shim knows them, of those that are known of.
async fn ask(client: &Client, known: &Processes) -> Result<Option<Processes>, ShimError> {
    let Some(init) = client.state(&ProcessId::Init, REACH).await? else {
        return Ok(None);
    };
    let mut processes = Processes::new(init.process(known.init.phase));
    for (id, exec) in &known.execs {
        let process = ProcessId::Exec(id.clone());
        if let Some(report) = client.state(&process, REACH).await? {
            processes
                .execs
                .insert(id.clone(), report.process(exec.phase));
        }
    }
    Ok(Some(processes))
}

/// Cleans up after a dead shim; the bundle stays, as the place of the task's record.
pub(super) async fn bury(site: Site, binary: Binary) -> Done {
    let events = drain(&site.bundle);
    let launcher = &site.context.launcher;
    let exit = match launcher.delete(&binary, &site.key, &site.bundle).await {
        Ok(exit) => exit,
        Err(error) => {
            let error = chain(&error).to_string();
            tracing::error!(container.id = %site.key.id, error, "a dead shim's cleanup failed");
            None
        }
    };
    Done::Interred(events, exit)
}

/// Ends the shim of a deleted task; the bundle waits for its last events to be published.
///
/// `orderly`: the shim itself deleted the task, so that its binary need not be called to do so.
#[tracing::instrument(level = "debug", skip_all, fields(container.id = %site.key.id))]
pub(super) async fn clean(site: Site, binary: Binary, shim: Option<Shim>, orderly: bool) -> Done {
    let mut ended = orderly;
    match shim {
        Some(shim) if orderly => ended = end(&shim).await,
        Some(shim) => {
            // A runtime at work would go on after its shim, and what it makes would be nobody's: the
            // shim answers once it has been made.
            let _ = shim.client.state(&ProcessId::Init, START_LIMIT).await;
            shim.alive.kill();
            shim.alive.ended().await;
        }
        None => {}
    }
    let _ = failpoint("delete.shim");
    let busy = rustix::fs::rmdir(site.bundle.path().join("rootfs"))
        .is_err_and(|error| error != rustix::io::Errno::NOENT);
    if !ended || busy {
        let launcher = &site.context.launcher;
        if let Err(error) = launcher.delete(&binary, &site.key, &site.bundle).await {
            let error = chain(&error).to_string();
            tracing::warn!(container.id = %site.key.id, error, "a shim's delete call failed");
        }
    }
    let _ = failpoint("delete.cleaned");
    Done::Cleaned(drain(&site.bundle))
}

/// Asks the shim to end and makes sure that it did; whether it went by itself.
async fn end(shim: &Shim) -> bool {
    // A shim that ends at once may not get its answer out.
    let _ = shim.client.shutdown().await;
    if tokio::time::timeout(FAREWELL, shim.alive.ended())
        .await
        .is_ok()
    {
        return true;
    }
    tracing::warn!(
        pid = shim.alive.pid(),
        "a shim did not end when told, killing it"
    );
    shim.alive.kill();
    shim.alive.ended().await;
    false
}
