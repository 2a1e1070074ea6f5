//! The volumes of a container that is about to run: those with a mount of their own are mounted, and
//! subpaths are bound to places of the engine's from which the runtime can take them.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::{error::ContainerError, model::Record, mounts::Source, registry::Parts};
use crate::volume::subpath::{self, Subpath};

fn names(record: &Record) -> impl Iterator<Item = &str> {
    record
        .mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            Source::Volume { name, .. } => Some(name.as_str()),
            Source::Bind { .. } | Source::Tmpfs { .. } => None,
        })
}

/// Mounts what is to be mounted; [`let_go`] follows whether the start succeeds or not.
///
/// # Errors
/// A mount fails.
pub(super) fn hold(parts: &Parts, record: &Record) -> Result<(), ContainerError> {
    for name in names(record) {
        parts.volumes.hold(name, record.id.as_str())?;
    }
    Ok(())
}

/// The container runs no more.
pub(super) fn let_go(parts: &Parts, record: &Record) {
    for name in names(record) {
        parts.volumes.let_go(name, record.id.as_str());
    }
}

/// The record with each subpath in the place of its volume, and what must stay until the runtime has
/// made the container.
///
/// # Errors
/// A subpath is not there or leads out of its volume.
pub(super) fn bind_subpaths(
    parts: &Parts,
    record: &Record,
) -> Result<(Record, Vec<Subpath>), ContainerError> {
    let (mut shown, mut bound) = (record.clone(), Vec::new());
    for (number, mount) in shown.mounts.iter_mut().enumerate() {
        let Source::Volume { path, subpath, .. } = &mut mount.source else {
            continue;
        };
        if subpath.is_empty() {
            continue;
        }
        let folder = places(parts);
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.map_err(|source| ContainerError::File {
            step: "make",
            path: folder.clone(),
            source,
        })?;
        let place = folder.join(format!("{}-{number}", record.id));
        let here = Subpath::bind(path.as_ref(), subpath, &place)?;
        *path = here.path().display().to_string();
        subpath.clear();
        bound.push(here);
    }
    Ok((shown, bound))
}

/// After a start: who runs holds its volumes, and what a killed daemon left is taken away.
pub(super) fn settle<'a>(parts: &Parts, running: impl Iterator<Item = &'a Record>) {
    subpath::sweep(&places(parts));
    for record in running {
        if let Err(error) = hold(parts, record) {
            let error = gantry_errors::chain(&error).to_string();
            tracing::warn!(container.id = %record.id, error, "a volume is not mounted");
        }
    }
    parts.volumes.settle_mounts();
}

fn places(parts: &Parts) -> PathBuf {
    parts.config().exec_root.join("subpaths")
}
