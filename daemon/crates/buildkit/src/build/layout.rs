//! Images in layouts of the client (`--build-context name=oci-layout://…`): the blobs of one image are
//! fetched into a layout of the engine's own and loaded from it, as `docker load` does. The load
//! verifies every digest.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use gantry_build::Refusal;
use gantry_errors::ErrorKind;
use gantry_ids::Digest;
use serde::Deserialize;

use super::files;
use super::run::Job;
use super::task::Task;
use crate::fsutil::CONTENT_BYTES_MAX;
use crate::session::Reader;

/// The most bytes of a manifest or an index.
const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

/// How deep indexes may lie in indexes.
const DEPTH_MAX: usize = 4;

/// A place of a layout: a store of the session, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The session's name of the store.
    pub store: String,
    /// A manifest, or an index of some.
    pub digest: Digest,
}

impl Layout {
    /// Reads what follows `oci-layout://`: `<store>[:<tag>]@<digest>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (store, digest) = text.rsplit_once('@')?;
        let store = store.split(':').next().filter(|store| !store.is_empty())?;
        Some(Self {
            store: store.to_owned(),
            digest: digest.parse().ok()?,
        })
    }
}

/// A manifest or an index, as far as it names blobs.
#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Descriptor {
    digest: Digest,
    size: u64,
    platform: Option<Machine>,
}

#[derive(Debug, Deserialize)]
struct Machine {
    os: String,
    architecture: String,
}

/// An image's blobs on their way.
struct Fetching<'a> {
    job: &'a Job,
    layout: &'a Layout,
    blobs: &'a Path,
    /// Bytes that may still come.
    room: u64,
}

impl Job {
    /// Brings an image of a layout into the image store; answers its identity.
    pub(super) fn load_layout(&self, name: &str, layout: &Layout) -> Result<String, Refusal> {
        let task = Task::begin(
            &*self.journal,
            &format!("[context {name}] OCI load from client"),
        );
        let loaded = self.loaded(layout);
        task.end(loaded)
    }

    fn loaded(&self, layout: &Layout) -> Result<String, Refusal> {
        let place = self.places.take("").map_err(|error| files::disk(&error))?;
        let root = place.path().join("layout");
        let blobs = root.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|error| files::disk(&error))?;
        let mut fetching = Fetching {
            job: self,
            layout,
            blobs: &blobs,
            room: CONTENT_BYTES_MAX,
        };
        let (digest, size) = fetching.image(&layout.digest, DEPTH_MAX)?;
        let write = || -> io::Result<File> {
            let index = serde_json::json!({
                "schemaVersion": 2,
                "manifests": [{
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": digest.to_string(),
                    "size": size,
                }],
            });
            fs::write(root.join("index.json"), index.to_string())?;
            fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
            let path = place.path().join("archive");
            let mut archive = File::create(&path)?;
            self.host.pack(&files::open(&root)?, &mut archive)?;
            File::open(path)
        };
        let mut archive = write().map_err(|error| files::disk(&error))?;
        self.host.load(&mut archive)
    }
}

impl Fetching<'_> {
    /// Fetches an image for this platform; answers its manifest.
    fn image(&mut self, digest: &Digest, depth: usize) -> Result<(Digest, u64), Refusal> {
        let text = self.blob(digest, DOCUMENT_BYTES_MAX)?;
        let text = fs::read(text).map_err(|error| files::disk(&error))?;
        let document: Document = serde_json::from_slice(&text)
            .map_err(|error| invalid(&format!("{digest} is no manifest: {error}")))?;
        let Some(config) = document.config else {
            let machine = self.job.platform();
            let fits = |one: &&Descriptor| {
                let platform = one.platform.as_ref();
                platform.is_none_or(|it| (&it.os, &it.architecture) == (&machine.0, &machine.1))
            };
            let found = document.manifests.iter().find(fits).filter(|_| depth > 0);
            let found = found.ok_or_else(|| {
                invalid(&format!(
                    "{digest} has no image for {}/{}",
                    machine.0, machine.1
                ))
            })?;
            return self.image(&found.digest, depth - 1);
        };
        self.blob(&config.digest, DOCUMENT_BYTES_MAX)?;
        for layer in &document.layers {
            self.blob(&layer.digest, layer.size)?;
        }
        Ok((*digest, text.len() as u64))
    }

    /// Fetches a blob of at most so many bytes; answers where it is.
    fn blob(&mut self, digest: &Digest, bytes_max: u64) -> Result<std::path::PathBuf, Refusal> {
        let path = self.blobs.join(digest.hex());
        if path.exists() {
            return Ok(path);
        }
        let job = self.job;
        let asked = job.session.blob(&self.layout.store, digest);
        let answer = files::block(&job.runtime, &job.cancel, asked)?;
        let stream = answer.map_err(|error| {
            let text = gantry_errors::chain(&error).to_string();
            Refusal::new(ErrorKind::Unavailable, text)
        })?;
        let bytes_max = bytes_max.min(self.room);
        let mut reader = Reader::new(stream, job.runtime.clone()).take(bytes_max + 1);
        let mut file = File::create(&path).map_err(|error| files::disk(&error))?;
        let mut buffer = vec![0; 128 << 10];
        let mut length = 0;
        loop {
            if job.cancel.is_cancelled() {
                let text = super::failure::CANCELLED;
                return Err(Refusal::new(ErrorKind::Cancelled, text));
            }
            let read = reader.read(&mut buffer).map_err(|error| {
                Refusal::new(ErrorKind::Unavailable, format!("read {digest}: {error}"))
            })?;
            if read == 0 {
                break;
            }
            length += read as u64;
            file.write_all(&buffer[..read])
                .map_err(|error| files::disk(&error))?;
        }
        if length > bytes_max {
            return Err(invalid(&format!("{digest} is longer than it may be")));
        }
        self.room -= length;
        Ok(path)
    }
}

fn invalid(text: &str) -> Refusal {
    Refusal::new(
        ErrorKind::InvalidArgument,
        format!("the image layout: {text}"),
    )
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn places_are_a_store_and_a_digest() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for text in [format!("abc@{digest}"), format!("abc:latest@{digest}")] {
            let layout = Layout::parse(&text).unwrap();
            assert_eq!(layout.store, "abc");
            assert_eq!(layout.digest.to_string(), digest);
        }
        for text in ["", "abc", "abc@", "@sha256:00", "abc@sha256:00"] {
            assert_eq!(Layout::parse(text), None, "{text}");
        }
    }
}
