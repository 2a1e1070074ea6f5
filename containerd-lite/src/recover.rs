//! What every start does: take up the tasks that the bundles tell of.
//!
//! It reads files only; the actors ask the shims, all at once, while the services answer already.

use std::sync::Arc;

use gantry_errors::chain;

use crate::names::Key;
use crate::shim::BundleError;
use crate::task::{Claim, Context, Record};

/// Starts an actor for each bundle.
///
/// # Errors
/// The bundles cannot be listed.
pub(crate) fn recover(context: &Arc<Context>) -> Result<usize, BundleError> {
    let bundles = context.layout.all()?;
    for key in &bundles {
        let record = record(context, key);
        match context.table.claim(key, || context.recover(key, record)) {
            Claim::Taken(_) => {}
            Claim::Exists | Claim::Ending(_) => unreachable!("bundles have distinct names"),
        }
    }
    Ok(bundles.len())
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
