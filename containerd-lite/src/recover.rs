//! What every start does: take up the tasks that the bundles tell of.
//!
//! It reads files only; the actors ask the shims, all at once, while the services answer already.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_errors::chain;
use gantry_proto::uds;

use crate::names::Key;
use crate::shim::START_LIMIT;
use crate::shim::{BundleError, dismiss};
use crate::task::{Claim, Context, Record};

/// Starts an actor for each bundle and sweeps what belongs to none.
///
/// # Errors
/// The bundles cannot be listed.
pub(crate) async fn recover(context: &Arc<Context>) -> Result<usize, BundleError> {
    let bundles = context.layout.all()?;
    context.layout.sweep()?;
    let mut sockets = BTreeSet::new();
    for key in &bundles {
        let record = record(context, key);
        sockets.extend(record.as_ref().and_then(|record| record.socket.clone()));
        sockets.extend(context.layout.bundle(key).address());
        match context.table.claim(key, || context.recover(key, record)) {
            Claim::Taken(_) => {}
            Claim::Exists | Claim::Ending(_) => unreachable!("bundles have distinct names"),
        }
    }
    sweep_sockets(&context.launcher.sockets(), &sockets).await;
    Ok(bundles.len())
}

/// Removes sockets that nobody listens on, and ends shims that have no bundle: what a supervisor that
/// was killed in the middle of a shim's start left. Done before anything new is started.
async fn sweep_sockets(directory: &Path, known: &BTreeSet<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let strays = entries.filter_map(|entry| Some(entry.ok()?.path()));
    for socket in strays.filter(|socket| !known.contains(socket)) {
        match uds::stream(&socket).await {
            Ok(_) => {
                tracing::warn!(socket = %socket.display(), "ending a shim that has no bundle");
                tokio::spawn(dismiss(socket));
            }
            Err(_) => {
                let _ = std::fs::remove_file(&socket);
            }
        }
    }
}

/// Ends shims that came up too late for the first sweep: the supervisor before was killed while it
/// started them, and nobody will ever create a task in them.
///
/// A shim that this supervisor starts is unknown too until its socket is noted, which takes less than a
/// start may take: only one that is unknown twice, that long apart, is a stray.
pub(crate) async fn sweep_late(context: Arc<Context>) {
    tokio::time::sleep(START_LIMIT).await;
    let before = strays(&context);
    if before.is_empty() {
        return;
    }
    tokio::time::sleep(START_LIMIT).await;
    for socket in strays(&context).intersection(&before) {
        tracing::warn!(socket = %socket.display(), "ending a shim that has no bundle");
        dismiss(socket.clone()).await;
    }
}

/// Sockets of no bundle.
fn strays(context: &Context) -> BTreeSet<PathBuf> {
    let mut sockets: BTreeSet<PathBuf> = std::fs::read_dir(context.launcher.sockets())
        .map(|entries| {
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect()
        })
        .unwrap_or_default();
    for key in context.layout.all().unwrap_or_default() {
        let bundle = context.layout.bundle(&key);
        let record = Record::read(bundle.path()).ok().flatten();
        for socket in record
            .and_then(|r| r.socket)
            .into_iter()
            .chain(bundle.address())
        {
            sockets.remove(&socket);
        }
    }
    sockets
}

/// A damaged record is like none: the task is one whose creation nobody was told of.
fn record(context: &Arc<Context>, key: &Key) -> Option<Record> {
    let bundle = context.layout.bundle(key);
    Record::read(bundle.path()).unwrap_or_else(|error| {
        let error = chain(&error).to_string();
        tracing::error!(container.id = %key.id, error, "a task's record is lost");
        None
    })
}
