//! The tar of a classic build: unpacked beneath a directory, its Dockerfile and ignore file found.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use gantry_build::{Attached, Extent, Tree};
use gantry_buildkit::fsutil::CONTENT_BYTES_MAX;
use gantry_dockerfile::{FILE_MAX_BYTES, Source};
use gantry_errors::ErrorKind;

use crate::build::Builds;
use crate::container::archive::{UnpackOptions, unpack_into};
use crate::edge::http::error::ApiError;

/// The most bytes of a context's ignore file.
const IGNORE_MAX_BYTES: u64 = 4 << 20;

/// What the files say.
pub(super) struct Found {
    pub(super) dockerfile: Source,
    pub(super) ignore: String,
}

/// A tar up to this length is read as a whole before it is unpacked in memory, bytes.
const SMALL_BYTES: usize = 32 << 20;

/// Where a context was unpacked; gone when it is dropped.
pub(super) enum Directory {
    Disk(tempfile::TempDir),
    Memory(Attached),
}

impl Directory {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Disk(directory) => directory.path(),
            Self::Memory(attached) => attached.path(),
        }
    }
}

/// Unpacks a context, plain or compressed; everything belongs to root.
pub(super) fn unpack(builds: &Builds, body: impl Read + Send) -> Result<Directory, ApiError> {
    let invalid = |error: &dyn std::error::Error| {
        ApiError::invalid(format!("Error processing tar file: {error}"))
    };
    let (_, mut tar) = gantry_layer::decompress(body).map_err(|error| invalid(&error))?;
    let mut head = Vec::new();
    let is_whole = tar
        .by_ref()
        .take(SMALL_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(|error| invalid(&error))?
        < SMALL_BYTES;
    let extent = extent(&head).filter(|_| is_whole);
    let attached = extent.and_then(|extent| builds.context_memory(extent));
    let directory = match attached {
        Some(attached) => Directory::Memory(attached),
        None => Directory::Disk(builds.context_directory().map_err(|error| {
            let text = format!("make a directory for the context: {error}");
            ApiError::new(ErrorKind::Internal, text)
        })?),
    };
    unpack_tar(directory.path(), head.as_slice().chain(tar))?;
    Ok(directory)
}

/// How large the files of a tar are; none if that cannot be said.
fn extent(tar: &[u8]) -> Option<Extent> {
    let mut extent = Extent::new();
    for entry in tar::Archive::new(tar).entries().ok()? {
        let mut entry = entry.ok()?;
        let mut is_sparse = false;
        for extension in entry.pax_extensions().ok()?.into_iter().flatten() {
            is_sparse |= extension.ok()?.key_bytes().starts_with(b"GNU.sparse");
        }
        if is_sparse {
            return None;
        }
        extent.add(entry.size());
    }
    Some(extent)
}

fn unpack_tar(directory: &Path, mut tar: impl Read) -> Result<(), ApiError> {
    let invalid = |error: &dyn std::error::Error| {
        ApiError::invalid(format!("Error processing tar file: {error}"))
    };
    let options = UnpackOptions {
        owner: Some((0, 0)),
        content_bytes_max: Some(CONTENT_BYTES_MAX),
        ..UnpackOptions::default()
    };
    unpack_into(directory, &mut tar, options).map_err(|error| invalid(&error))?;
    // The end of a client can be seen only behind the end of what it sent.
    io::copy(&mut tar, &mut io::sink()).map_err(|error| invalid(&error))?;
    Ok(())
}

/// Reads the Dockerfile, and the ignore file that goes with it.
pub(super) fn find(directory: &Path, dockerfile: &str) -> Result<Found, ApiError> {
    let failed = |error: io::Error| ApiError::invalid(format!("read the build context: {error}"));
    let tree = Tree::open(directory).map_err(failed)?;
    let missing = || ApiError::invalid(format!("Cannot locate specified Dockerfile: {dockerfile}"));
    let limit = FILE_MAX_BYTES as u64 + 1;
    let bytes = read(&tree, dockerfile, limit).map_err(failed)?;
    let bytes = bytes.ok_or_else(missing)?;
    let own = read(
        &tree,
        &format!("{dockerfile}.dockerignore"),
        IGNORE_MAX_BYTES,
    );
    let ignore = match own.map_err(failed)? {
        Some(own) => own,
        None => read(&tree, ".dockerignore", IGNORE_MAX_BYTES)
            .map_err(failed)?
            .unwrap_or_default(),
    };
    Ok(Found {
        dockerfile: Source::new(dockerfile, &bytes),
        ignore: String::from_utf8_lossy(&ignore).into_owned(),
    })
}

/// A regular file of the tree; none if there is no such one.
fn read(tree: &Tree, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(file): Option<File> = tree.file(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
