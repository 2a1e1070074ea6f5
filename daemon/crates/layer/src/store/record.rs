//! What is known of a layer, and the file that says so.

use std::path::Path;

use gantry_ids::Digest;
use serde::{Deserialize, Serialize};

use crate::{ChainId, DiffId};

/// A committed layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its identity together with all layers beneath it.
    pub chain: ChainId,
    /// The digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// The layer beneath it.
    pub parent: Option<ChainId>,
    /// Bytes of content in its regular files and of its links' targets: what docker calls a layer's
    /// size.
    pub content_bytes: u64,
    /// Bytes of its uncompressed tar.
    pub tar_bytes: u64,
    /// Whether it hides everything beneath it.
    pub opaque: bool,
    /// How it is stored.
    pub form: Form,
    /// The digest of the index over its tar, if it has one.
    pub index: Option<Digest>,
}

/// How a layer is stored. Layers of both forms lie side by side, also beneath one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Unpacked to a directory.
    Directory,
    /// Its tar and an EROFS index over it.
    Erofs,
}

/// The versions of `layer.json` that this code writes: the first knows directories alone.
const VERSION_DIRECTORY: u32 = 1;
const VERSION: u32 = 2;

/// `layer.json`, as it stands on the disk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    v: u32,
    chain: ChainId,
    diff_id: DiffId,
    parent: Option<ChainId>,
    content_bytes: u64,
    tar_bytes: u64,
    opaque: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    form: Option<Form>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    index: Option<Digest>,
}

/// Why `layer.json` could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    /// The file could not be read.
    #[error("read it")]
    Read(#[source] std::io::Error),
    /// It is no record.
    #[error("parse it")]
    Parse(#[source] serde_json::Error),
    /// It was written by a later version of the engine.
    #[error("its version {0} is later than this engine's")]
    Version(u32),
}

impl Layer {
    /// The contents of `layer.json`.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let (v, form) = match self.form {
            Form::Directory => (VERSION_DIRECTORY, None),
            Form::Erofs => (VERSION, Some(self.form)),
        };
        let stored = Stored {
            v,
            chain: self.chain,
            diff_id: self.diff_id,
            parent: self.parent,
            content_bytes: self.content_bytes,
            tar_bytes: self.tar_bytes,
            opaque: self.opaque,
            form,
            index: self.index,
        };
        serde_json::to_vec(&stored).expect("a record of plain fields")
    }

    /// Reads `layer.json`.
    pub(super) fn read(file: &Path) -> Result<Self, RecordError> {
        let text = std::fs::read(file).map_err(RecordError::Read)?;
        let stored: Stored = serde_json::from_slice(&text).map_err(RecordError::Parse)?;
        if stored.v != VERSION && stored.v != VERSION_DIRECTORY {
            return Err(RecordError::Version(stored.v));
        }
        Ok(Self {
            chain: stored.chain,
            diff_id: stored.diff_id,
            parent: stored.parent,
            content_bytes: stored.content_bytes,
            tar_bytes: stored.tar_bytes,
            opaque: stored.opaque,
            form: stored.form.unwrap_or(Form::Directory),
            index: stored.index,
        })
    }
}
