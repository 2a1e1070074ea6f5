//! The daemon's life: build the parts, serve, reload on SIGHUP, drain on SIGTERM.
//!
//! SIGTERM and SIGINT end the daemon and leave every container running; `POST /gantry/halt` ends the
//! containers first.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry_errors::chain;
use gantry_linux::activation::{Activated, take_activated};
use gantry_linux::allocator;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::config::{Config, ConfigError, Flags, Host};
use crate::container::{ContainerError, open};
use crate::edge::http;
use crate::edge::http::listen::kept::{self, Keepers};
use crate::edge::http::listen::{self, ListenError, Listener};
use crate::edge::http::server::{self, Limits};
use crate::embedded;
use crate::engine::{Engine, OpenError};
use crate::events::EventKind;
use crate::runtime::supervise::SuperviseError;
use crate::space::collect;

/// How many heaps the threads share. Blocking work comes and goes in many threads: with a heap for each,
/// a burst's memory stays.
const ARENAS: u16 = 2;
/// Blocks of this size, in bytes, go back to the kernel at once.
const MAPPED_FROM: u32 = 128 << 10;

/// How long nothing has to happen for a burst of work to be over.
const QUIET: Duration = Duration::from_secs(1);
/// How long one lasts at most until its memory is given back.
const BUSY_LIMIT: Duration = Duration::from_secs(30);
/// How long an end waits for what removed containers left to be taken down.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Logging.
    #[error("set up logging")]
    Log(#[source] gantry_telemetry::InitError),
    /// The async runtime or its signal handlers.
    #[error("start the runtime")]
    Runtime(#[source] io::Error),
    /// The process id file.
    #[error("write process id file {path}", path = path.display())]
    Pidfile {
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The engine's directories and stores.
    #[error("open the engine")]
    Open(#[source] OpenError),
    /// The supervisor.
    #[error("start the supervisor")]
    Supervise(#[source] SuperviseError),
    /// The containers.
    #[error("take the containers over")]
    Recover(#[source] ContainerError),
    /// A socket.
    #[error("failed to load listeners")]
    Listen(#[source] ListenError),
}

/// Runs the daemon until it is told to end.
///
/// # Errors
/// [`AppError`] if it could not start.
pub fn run(config: Config, flags: Flags) -> Result<(), AppError> {
    let options = gantry_telemetry::Options {
        program: "gantryd",
        level: config.log.level,
        format: config.log.format,
        trace: config.log.trace.as_deref(),
    };
    gantry_telemetry::init(&options).map_err(AppError::Log)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    allocator::share_arenas(ARENAS);
    allocator::map_blocks_from(MAPPED_FROM);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(AppError::Runtime)?;
    let outcome = runtime.block_on(serve(config, flags));
    // A blocking call that hangs (a dead disk) must not keep the daemon from ending.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: Config, flags: Flags) -> Result<(), AppError> {
    let signals = Signals::new().map_err(AppError::Runtime)?;
    let pidfile = Pidfile::write(config.pidfile.clone())?;
    let engine = Arc::new(Engine::open(config).map_err(AppError::Open)?);
    start(&engine).await?;
    tokio::spawn(sweep_downloads(Arc::clone(&engine)));
    tokio::spawn(collect::keep(Arc::clone(&engine)));
    let config = engine.config();
    let listeners = listeners(&config).await?;
    tokio::spawn(give_back(engine.events.activity()));
    let router = http::router(Arc::clone(&engine));
    let servers = TaskTracker::new();
    for listener in listeners {
        let closing = engine.closing.clone();
        servers.spawn(server::serve(
            listener,
            router.clone(),
            Limits::default(),
            closing,
        ));
    }
    info!("the API is served");
    signals.until_the_end(&engine, &flags).await;
    withdraw(&engine.config());
    engine.closing.cancel();
    servers.close();
    servers.wait().await;
    engine.containers.settle(SETTLE_LIMIT).await;
    if let Err(error) = engine.containers.sync().await {
        error!(error = %chain(&error), "what was answered last is not synced");
    }
    engine.images.layers().close();
    drop(pidfile);
    info!("the daemon ends; containers run on");
    Ok(())
}

/// Gives memory back to the kernel that a burst of work has left, once that is over.
async fn give_back(mut activity: watch::Receiver<u64>) {
    while activity.changed().await.is_ok() {
        let end = Instant::now() + BUSY_LIMIT;
        while Instant::now() < end {
            match tokio::time::timeout(QUIET, activity.changed()).await {
                Err(_) => break,
                Ok(Err(_)) => return,
                Ok(Ok(())) => {}
            }
        }
        // It does not panic.
        drop(tokio::task::spawn_blocking(allocator::trim).await);
    }
}

/// The supervisor, then every container that there was, then the image to try things with.
async fn start(engine: &Engine) -> Result<(), AppError> {
    if let Some(supervision) = open::supervision(&engine.config()) {
        let running = supervision.ensure().await.map_err(AppError::Supervise)?;
        supervision.watch(running);
    }
    engine
        .containers
        .recover()
        .await
        .map_err(AppError::Recover)?;
    engine.builds.sweep().await;
    let images = Arc::clone(&engine.images);
    let loaded = tokio::task::spawn_blocking(move || embedded::load_image(&images)).await;
    // Not worth refusing to serve for.
    if let Ok(Err(error)) = loaded {
        error!(error = %chain(&error), "load the embedded image");
    }
    Ok(())
}

/// How long what was received of a blob is kept for whoever asks for it again.
const PARTIAL_AGE: Duration = Duration::from_secs(24 * 3600);
/// How often it is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Removes partial downloads that nobody went on with for a day, now and from time to time.
async fn sweep_downloads(engine: Arc<Engine>) {
    loop {
        let images = Arc::clone(&engine.images);
        let swept = tokio::task::spawn_blocking(move || images.sweep_partials(PARTIAL_AGE));
        let _ = swept.await;
        tokio::select! {
            () = engine.closing.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
    }
}

async fn listeners(config: &Config) -> Result<Vec<Listener>, AppError> {
    let group = group(config)?;
    let keepers = Keepers {
        supervisor: open::supervision(config).map(|supervision| supervision.keeper()),
        io_dir: config.io_dir(),
    };
    let mut listeners = Vec::new();
    for host in &config.hosts {
        match host {
            Host::Unix(path) => {
                let opened = kept::open(path, group, &keepers).map_err(AppError::Listen)?;
                info!(path = %path.display(), "API listen");
                listeners.extend(opened);
            }
            Host::Tcp(address) => {
                warn!(
                    %address,
                    "API without TLS: whoever reaches this address has root access to this machine, \
                     scripts in a browser included"
                );
                let listener = listen::tcp(address).await.map_err(AppError::Listen)?;
                listeners.push(Listener::Tcp(listener));
            }
            Host::Fd(name) => listeners.extend(activated(name).map_err(AppError::Listen)?),
        }
    }
    Ok(listeners)
}

/// Takes the sockets' names away, so that clients of a stopped daemon are refused. A socket that
/// nobody keeps is gone with the daemon.
fn withdraw(config: &Config) {
    let is_kept = open::supervision(config).is_some();
    for host in &config.hosts {
        match host {
            Host::Unix(path) if is_kept => kept::put_aside(path),
            Host::Unix(path) => drop(std::fs::remove_file(path)),
            Host::Tcp(_) | Host::Fd(_) => {}
        }
    }
}

/// The sockets that systemd has handed over: all, or those of one name or number.
fn activated(name: &str) -> Result<Vec<Listener>, ListenError> {
    let wanted = |(index, socket): &(usize, Activated)| {
        name.is_empty() || socket.name == name || name == (index + 3).to_string()
    };
    let sockets = take_activated().into_iter().enumerate().filter(wanted);
    let listeners: Vec<_> = sockets
        .map(|(_, socket)| listen::inherited(socket.socket))
        .collect::<Result<_, _>>()?;
    if listeners.is_empty() {
        return Err(ListenError::NoActivation);
    }
    Ok(listeners)
}

/// The sockets' group; the default one may be missing.
fn group(config: &Config) -> Result<Option<u32>, AppError> {
    match listen::group_id(&config.group) {
        Ok(gid) => Ok(Some(gid)),
        Err(error) if config.group_required => Err(AppError::Listen(error)),
        Err(error) => {
            warn!(
                "could not change group of the socket to {}: {error}",
                config.group
            );
            Ok(None)
        }
    }
}

/// The file that says which process the daemon is; removed when dropped.
struct Pidfile(PathBuf);

impl Pidfile {
    fn write(path: PathBuf) -> Result<Self, AppError> {
        let written = match path.parent() {
            Some(parent) => std::fs::create_dir_all(parent),
            None => Ok(()),
        };
        let written = written.and_then(|()| std::fs::write(&path, std::process::id().to_string()));
        match written {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(AppError::Pidfile { path, source }),
        }
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Serves reloads until the daemon is told to end.
    async fn until_the_end(mut self, engine: &Engine, flags: &Flags) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                () = engine.ending.cancelled() => return,
                _ = self.reload.recv() => reload(engine, flags),
            }
        }
    }
}

/// Reads the configuration again and takes over what may change while the daemon runs.
fn reload(engine: &Engine, flags: &Flags) {
    match Config::load(flags) {
        Ok(new) => {
            let config = engine.config().reloaded(new);
            let attributes = config.reload_attributes();
            engine.set_config(config);
            engine
                .events
                .publish(EventKind::Daemon, "reload", &engine.id, attributes);
            info!("configuration reloaded");
        }
        Err(error) => report(&error),
    }
}

fn report(error: &ConfigError) {
    error!(error = %chain(error), "the configuration was not reloaded");
}
