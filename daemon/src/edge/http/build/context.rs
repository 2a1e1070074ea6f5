//! The tar of a classic build: unpacked beneath a directory, its Dockerfile and ignore file found.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use gantry_build::Tree;
use gantry_buildkit::fsutil::CONTENT_BYTES_MAX;
use gantry_dockerfile::{FILE_MAX_BYTES, Source};

use crate::container::archive::{UnpackOptions, unpack_into};
use crate::edge::http::error::ApiError;

/// The most bytes of a context's ignore file.
const IGNORE_MAX_BYTES: u64 = 4 << 20;

/// What the files say.
pub(super) struct Found {
    pub(super) dockerfile: Source,
    pub(super) ignore: String,
}

/// Unpacks a context, plain or compressed; everything belongs to root.
pub(super) fn unpack(directory: &Path, body: impl Read + Send) -> Result<(), ApiError> {
    let invalid = |error: &dyn std::error::Error| {
        ApiError::invalid(format!("Error processing tar file: {error}"))
    };
    let (_, mut tar) = gantry_layer::decompress(body).map_err(|error| invalid(&error))?;
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
