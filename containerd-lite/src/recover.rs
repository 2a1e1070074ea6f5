//! What every start does: take up the tasks that the bundles tell of.
//!
//! It reads files only; the actors ask the shims, all at once, while the services answer already.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_errors::chain;
use gantry_proto::uds;

use crate::names::Key;
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

/// A damaged record is like none: the task is one whose creation nobody was told of.
fn record(context: &Arc<Context>, key: &Key) -> Option<Record> {
    let bundle = context.layout.bundle(key);
    Record::read(bundle.path()).unwrap_or_else(|error| {
        let error = chain(&error).to_string();
        tracing::error!(container.id = %key.id, error, "a task's record is lost");
        None
    })
}
