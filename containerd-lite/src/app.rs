//! Builds the parts, serves, and ends without harming what runs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use gantry_errors::chain;
use gantry_linux::allocator;
use gantry_proto::uds;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use crate::config::{Config, Flags};
use crate::edge;
use crate::event::Journal;
use crate::keeper;
use crate::lock::Lock;
use crate::recover::{recover, sweep_late};
use crate::shim::{Binary, LINE_REST, Launcher, Layout};
use crate::store::Store;
use crate::supervisor::Supervisor;
use crate::task::{Context, Table};

/// Worker threads: calls are short, and what is slow is in other processes.
const WORKERS: usize = 2;
/// How many heaps the threads share.
const ARENAS: u16 = 2;
/// Blocks of this size, in bytes, go back to the kernel at once.
const MAPPED_FROM: u32 = 128 << 10;
/// The socket is for root and its group, as containerd's.
const SOCKET_MODE: u32 = 0o660;
/// How long nothing has to happen for a burst of work to be over: the shims' connections, most of what it
/// took, are let go by then.
const QUIET: Duration = LINE_REST.saturating_add(Duration::from_secs(1));
/// How long one lasts at most until its memory is given back.
const BUSY_LIMIT: Duration = Duration::from_secs(30);
/// How often expired leases are looked for.
const LEASES_EVERY: Duration = Duration::from_secs(600);
/// How many calls one connection may have under way.
const STREAMS: u32 = 4096;

/// Runs the program until SIGTERM or SIGINT.
///
/// # Errors
/// Something it needs cannot be had; the message says what.
pub(crate) fn main() -> Result<()> {
    let config = Config::load(Flags::parse())?;
    gantry_telemetry::init(&gantry_telemetry::Options {
        program: "containerd-lite",
        level: config.level,
        format: config.format,
        trace: config.trace.as_deref(),
    })?;
    allocator::share_arenas(ARENAS);
    allocator::map_blocks_from(MAPPED_FROM);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(8)
        .thread_name("supervisor")
        .enable_all()
        .build()
        .context("start the runtime")?
        .block_on(run(config))
}

async fn run(config: Config) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for SIGINT")?;
    let _locks = (Lock::take(&config.root)?, Lock::take(&config.state)?);
    let supervisor = Arc::new(build(&config)?);
    let identity = edge::Identity::load(&config.root).context("name this server")?;
    let found = recover(&supervisor.context).await?;
    let routes = edge::routes(Arc::clone(&supervisor), identity).await;
    let directory = config.address.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(directory)
        .with_context(|| format!("create {}", directory.display()))?;
    keeper::start(&config.address)?;
    let listener = uds::listen(&config.address, SOCKET_MODE)
        .with_context(|| format!("listen on {}", config.address.display()))?;
    tracing::info!(
        address = %config.address.display(),
        root = %config.root.display(),
        state = %config.state.display(),
        tasks = found,
        "serving"
    );
    tokio::spawn(give_back(supervisor.context.journal.activity()));
    tokio::spawn(expire_leases(Arc::clone(&supervisor)));
    tokio::spawn(sweep_late(Arc::clone(&supervisor.context)));
    let serving = Server::builder()
        .max_concurrent_streams(STREAMS)
        .add_routes(routes)
        .serve_with_incoming(UnixListenerStream::new(listener));
    tokio::select! {
        served = serving => served.context("serve")?,
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping, containers run on"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping, containers run on"),
    }
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

/// Ends leases that were left behind, now and from time to time.
async fn expire_leases(supervisor: Arc<Supervisor>) {
    loop {
        match supervisor.store.expire_leases(jiff::Timestamp::now()).await {
            Ok(0) => {}
            Ok(leases) => tracing::info!(leases, "leases have expired"),
            Err(error) => {
                let error = chain(&error).to_string();
                tracing::warn!(error, "leases could not be looked through");
            }
        }
        tokio::time::sleep(LEASES_EVERY).await;
    }
}

fn build(config: &Config) -> Result<Supervisor> {
    let store = Store::open(&config.root)?;
    let journal = Journal::open(&config.state.join("events"))?;
    let began = (Instant::now(), journal.head());
    let context = Arc::new(Context {
        journal,
        launcher: Launcher {
            own: Binary(config.shim.clone()),
            address: config.address.clone(),
            debug: config.level <= gantry_telemetry::Level::Debug,
        },
        layout: Layout::new(&config.root, &config.state),
        table: Table::default(),
    });
    Ok(Supervisor {
        store,
        context,
        default_runtime: config.default_runtime.clone(),
        began,
    })
}
