//! `/etc/passwd` and `/etc/group` as the container will see them.
//!
//! The image's never change and are read once; a file that the container itself wrote in an earlier
//! run lies in its upper directory and wins.

use std::{fs::File, io::Read, path::Path, sync::PoisonError};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use super::{error::ContainerError, model::Record, registry::Parts};

/// The most bytes of such a file that are read.
const LIMIT: u64 = 4 << 20;

/// Both files; a missing one is empty.
///
/// # Errors
/// The image cannot be read.
pub(super) fn read(
    parts: &Parts,
    record: &Record,
    upper: &Path,
) -> Result<(String, String), ContainerError> {
    let (passwd, group) = of_image(parts, record)?;
    let own = |path: &str| own_file(upper, path);
    Ok((
        own("etc/passwd").unwrap_or(passwd),
        own("etc/group").unwrap_or(group),
    ))
}

fn of_image(parts: &Parts, record: &Record) -> Result<(String, String), ContainerError> {
    let known = parts
        .accounts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&record.image)
        .cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    if parts.images.get(&record.image).is_none() {
        // Removed by force while the container lives on; root needs no entry.
        return Ok(Default::default());
    }
    let file = |path: &str| -> Result<String, ContainerError> {
        let file = parts.images.open_in_image(&record.image, Path::new(path))?;
        Ok(file.map(text).unwrap_or_default())
    };
    let read = (file("/etc/passwd")?, file("/etc/group")?);
    parts
        .accounts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(record.image, read.clone());
    Ok(read)
}

/// A regular file in the upper directory, reached without following any link.
fn own_file(upper: &Path, path: &str) -> Option<String> {
    let root =
        rustix::fs::openat(CWD, upper, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(openat2(root, path, flags, Mode::empty(), resolve).ok()?);
    file.metadata().ok()?.is_file().then(|| text(file))
}

/// Both files of a tree, links followed within it; what cannot be read has no entries.
pub(super) fn of_root(root: &super::archive::Root) -> (String, String) {
    let file = |path: &str| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
        let file = file.ok().map(File::from)?;
        file.metadata().ok()?.is_file().then(|| text(file))
    };
    let both = (file("etc/passwd"), file("etc/group"));
    (both.0.unwrap_or_default(), both.1.unwrap_or_default())
}

fn text(file: File) -> String {
    let mut bytes = Vec::new();
    // What cannot be read of it has no entries.
    drop(file.take(LIMIT).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

impl super::registry::Containers {
    /// Both files of a container, for an exec.
    ///
    /// # Errors
    /// The image cannot be read.
    pub(crate) async fn accounts(
        &self,
        record: &Record,
    ) -> Result<(String, String), ContainerError> {
        let (parts, record) = (self.parts.clone(), record.clone());
        super::create::blocking(move || {
            let upper = parts.rw(&record.id).join("upper");
            read(&parts, &record, &upper)
        })
        .await
    }
}

impl super::registry::Containers {
    /// The user and group that the container's process runs as.
    ///
    /// # Errors
    /// The user is unknown in the image.
    pub async fn owner(
        &self,
        handle: &super::registry::Handle,
    ) -> Result<(u32, u32), ContainerError> {
        let record = handle.record();
        let (passwd, group) = self.accounts(&record).await?;
        let account = super::spec::users::resolve(&record.config.user, &[], &passwd, &group)
            .map_err(super::spec::SpecError::from)?;
        Ok((account.user.uid, account.user.gid))
    }
}
