//! The volumes of a container that is about to run: those with a mount of their own are mounted, and
//! images, subpaths and binds of mapped owners are bound to places of the engine's from which the runtime can take them.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{
    create::blocking,
    error::ContainerError,
    model::Record,
    mounts::Source,
    registry::Parts,
    spec::{SpecError, users},
    start::Prepared,
};
use crate::volume::subpath::{self, Owners, Place};

fn names(record: &Record) -> impl Iterator<Item = &str> {
    record
        .mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            Source::Volume { name, .. } => Some(name.as_str()),
            Source::Bind { .. } | Source::Image { .. } | Source::Tmpfs { .. } => None,
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

/// As [`bind_places`], which most containers do not need.
///
/// # Errors
/// As there.
pub(super) async fn places_of(
    parts: &Arc<Parts>,
    record: &Arc<Record>,
    prepared: &Prepared,
) -> Result<(Arc<Record>, Vec<Place>), ContainerError> {
    let needs_one = record.mounts.iter().any(|mount| match &mount.source {
        Source::Volume { subpath, .. } => !subpath.is_empty(),
        Source::Image { .. } => true,
        Source::Bind { owner, .. } => owner.is_some(),
        Source::Tmpfs { .. } => false,
    });
    if !needs_one {
        return Ok((Arc::clone(record), Vec::new()));
    }
    let account = users::resolve(&record.config.user, &[], &prepared.passwd, &prepared.group);
    let user = account.map_err(SpecError::from)?.user;
    let user = (user.uid, user.gid);
    let (parts, record) = (Arc::clone(parts), Arc::clone(record));
    let (shown, places) = blocking(move || bind_places(&parts, &record, user)).await?;
    Ok((Arc::new(shown), places))
}

/// The record with each image, subpath and bind of mapped owners as the place that it was bound to, for a
/// container that runs as `user` (and group), and what must stay until
/// the runtime has made the container.
///
/// # Errors
/// A subpath is not there or leads out, an image is gone.
fn bind_places(
    parts: &Parts,
    record: &Record,
    user: (u32, u32),
) -> Result<(Record, Vec<Place>), ContainerError> {
    let (mut shown, mut bound) = (record.clone(), Vec::new());
    for (number, mount) in shown.mounts.iter_mut().enumerate() {
        let place = || place(parts, record, number);
        match &mut mount.source {
            Source::Volume { path, subpath, .. } if !subpath.is_empty() => {
                let here = Place::bind(path.as_ref(), subpath, &place()?)?;
                *path = here.path().display().to_string();
                subpath.clear();
                bound.push(here);
            }
            Source::Image {
                reference,
                id,
                subpath,
            } => {
                let image = parts.images.find(id)?;
                // Once mounted, the place keeps the layers by itself.
                let lowers = parts.images.lowers(&image)?;
                let mut here = Place::image(&lowers.paths, &place()?)?;
                if !subpath.is_empty() {
                    let within = here.path().with_extension("within");
                    let part = Place::bind(here.path(), subpath, &within)?;
                    bound.push(std::mem::replace(&mut here, part));
                }
                *reference = here.path().display().to_string();
                bound.push(here);
            }
            Source::Bind {
                path,
                flat,
                owner: Some(owner),
                ..
            } => {
                let owners = Owners {
                    on_disk: *owner,
                    inside: user,
                };
                let here = Place::owned(path.as_ref(), *flat, &owners, &place()?)?;
                *path = here.path().display().to_string();
                bound.push(here);
            }
            Source::Volume { .. } | Source::Bind { .. } | Source::Tmpfs { .. } => {}
        }
    }
    Ok((shown, bound))
}

/// A place of one mount's own, in a folder that no container sees.
fn place(parts: &Parts, record: &Record, number: usize) -> Result<PathBuf, ContainerError> {
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
    Ok(folder.join(format!("{}-{number}", record.id)))
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
    parts.config().exec_root.join("places")
}
