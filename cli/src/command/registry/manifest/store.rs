//! Where lists on their way are kept: `manifests/` in the folder of the command line's configuration.
//!
//! ```text
//! manifests/<list>/<manifest>    one JSON file per manifest; in names `-` stands for `:` and `_` for `/`
//! ```
//!
//! The place and the format are docker's.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_ids::{Digest, ImageRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A manifest of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Manifest {
    /// Its name, in full.
    #[serde(rename = "Ref")]
    pub(super) name: String,
    pub(super) descriptor: Descriptor,
    /// Its bytes, in base64.
    pub(super) raw: String,
    /// The same as a document, by what it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) schema_v2_manifest: Option<Value>,
    #[serde(
        rename = "OCIManifest",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub(super) oci_manifest: Option<Value>,
}

/// What a list says of a manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) platform: Option<Platform>,
}

/// What a manifest is for; the order of the fields is docker's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Platform {
    pub(super) architecture: String,
    pub(super) os: String,
    #[serde(rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub(super) os_version: String,
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub(super) os_features: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) variant: String,
}

/// The media type of an image's manifest in Docker's own schema.
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

impl Manifest {
    /// A manifest as a registry has it.
    pub(super) fn new(name: &ImageRef, descriptor: Descriptor, text: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(text).context("the manifest is no JSON")?;
        let is_docker = descriptor.media_type == DOCKER_MANIFEST;
        Ok(Self {
            name: name.to_string(),
            descriptor,
            raw: STANDARD.encode(text),
            schema_v2_manifest: is_docker.then(|| document.clone()),
            oci_manifest: (!is_docker).then_some(document),
        })
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        let bytes = STANDARD.decode(&self.raw);
        let bytes =
            bytes.with_context(|| format!("the stored manifest {} is damaged", self.name))?;
        if Digest::of(&bytes) != self.descriptor.digest {
            bail!("the stored manifest {} is damaged", self.name);
        }
        Ok(bytes)
    }

    /// Whether it is written in Docker's own schema.
    pub(super) fn is_docker(&self) -> bool {
        self.descriptor.media_type == DOCKER_MANIFEST
    }
}

/// The folder of lists.
#[derive(Debug)]
pub(super) struct Store(PathBuf);

impl Store {
    pub(super) fn of(config: &Path) -> Self {
        Self(config.join("manifests"))
    }

    /// All manifests of a list, in the order of their names; none if there is no such list.
    pub(super) fn list(&self, list: &ImageRef) -> Result<Option<Vec<Manifest>>> {
        let folder = self.folder(list);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| folder.display().to_string()),
        };
        let mut files = Vec::new();
        for entry in entries {
            files.push(entry?.path());
        }
        files.sort();
        let all = files.iter().map(|file| read(file));
        all.collect::<Result<_>>().map(Some)
    }

    /// One manifest of a list.
    pub(super) fn get(&self, list: &ImageRef, name: &ImageRef) -> Result<Option<Manifest>> {
        let file = self.file(list, name);
        match file.try_exists() {
            Ok(false) => Ok(None),
            _ => read(&file).map(Some),
        }
    }

    /// Adds or replaces a manifest of a list, which it makes.
    pub(super) fn save(&self, list: &ImageRef, name: &ImageRef, manifest: &Manifest) -> Result<()> {
        let (folder, file) = (self.folder(list), self.file(list, name));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let bytes = serde_json::to_vec(manifest)?;
        let fresh = tempfile(&file);
        fs::write(&fresh, bytes).with_context(|| fresh.display().to_string())?;
        fs::rename(&fresh, &file).with_context(|| file.display().to_string())
    }

    /// Forgets a list.
    pub(super) fn remove(&self, list: &ImageRef) -> Result<()> {
        let folder = self.folder(list);
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())
    }

    fn folder(&self, list: &ImageRef) -> PathBuf {
        self.0.join(safe(list))
    }

    fn file(&self, list: &ImageRef, name: &ImageRef) -> PathBuf {
        self.folder(list).join(safe(name))
    }
}

/// A name beside the lists, so that a list never holds half a file.
fn tempfile(file: &Path) -> PathBuf {
    let folder = file.parent().and_then(Path::parent).unwrap_or(file);
    folder.join(format!(".{}", std::process::id()))
}

fn read(file: &Path) -> Result<Manifest> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(|| file.display().to_string())
}

/// A reference as the name of a file.
fn safe(name: &ImageRef) -> String {
    name.to_string().replace(':', "-").replace('/', "_")
}
