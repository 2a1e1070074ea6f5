//! The attributes of the frontend `dockerfile.v0`, and of exporters: text to values.
//!
//! Whatever is not known is refused by name: nothing that was asked for is passed over. `vcs:` alone is
//! taken without effect: it says where the sources come from, for attestations, and none are made.

use std::collections::BTreeMap;

use gantry_build::{Limits, Pull, Reuse, Ulimit};
use gantry_dockerfile::Platform;

use super::layout::Layout;

/// What a client may require of the frontend (`frontend.caps`), as BuildKit's names it.
const CAPABILITIES: &[&str] = &[
    "moby.buildkit.frontend.contexts",
    "moby.buildkit.frontend.gitquerystring",
    "moby.buildkit.frontend.subrequests",
];

/// An attribute that makes no sense here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// Nobody knows it.
    #[error("the option {name}={value:?} of the build is not supported")]
    Unknown {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Its value is no value of it.
    #[error("invalid value {value:?} of the option {name} of the build")]
    Value {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// More platforms than one.
    #[error("multi-platform builds are not supported yet: {0}")]
    Platforms(String),
    /// An index is asked for, although there is one platform.
    #[error("multi-platform=true is not supported: an image of one platform is made")]
    Index,
    /// The client needs something of the frontend that it does not do.
    #[error("unsupported frontend capability {0}")]
    Capability(String),
    /// A platform that is none.
    #[error("failed to parse target platform {0}")]
    Platform(String),
    /// A context of a kind that is not fetched.
    #[error("the build context {name}={place:?} is not supported yet")]
    Context {
        /// Its name.
        name: String,
        /// Where it should come from.
        place: String,
    },
}

/// Where files of a context come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory of the client, by the name the session has for it.
    Session(String),
    /// What the client reads from its standard input, by the path of the upload.
    Upload(String),
    /// An image.
    Image(String),
    /// What lies at an address: a repository, an archive, a Dockerfile.
    Address(String),
    /// An image in a layout of the client.
    Layout(Layout),
}

/// What a build was asked for, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The Dockerfile's name.
    pub filename: String,
    /// The session's name of the directory it is in.
    pub dockerfile_key: String,
    /// Whether that directory has the Dockerfile although the context is something else.
    pub has_own_dockerfile: bool,
    /// The build context.
    pub context: Place,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--target`.
    pub target: Option<String>,
    /// `--platform`.
    pub platform: Option<String>,
    /// `--network`.
    pub network: String,
    /// `--add-host`, as `name:address`.
    pub extra_hosts: Vec<String>,
    /// `--shm-size`, `--ulimit`, `--cgroup-parent`.
    pub limits: Limits,
    /// `--no-cache`, `--no-cache-filter`.
    pub reuse: Reuse,
    /// `--pull`.
    pub pull: Pull,
    /// `--build-context`.
    pub contexts: BTreeMap<String, Place>,
    /// `--cache-from`.
    pub cache_from: Vec<String>,
    /// What is asked instead of a build: `frontend.lint`.
    pub subrequest: Option<String>,
    /// The frontend's line as the client took it from `# syntax=`.
    pub cmdline: Option<String>,
    /// The machine's name that `RUN` sees; empty for BuildKit's.
    pub hostname: String,
    /// The sessions that directories come from, where it is said (`local-sessionid:`).
    pub local_sessions: BTreeMap<String, String>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            filename: "Dockerfile".to_owned(),
            dockerfile_key: "dockerfile".to_owned(),
            has_own_dockerfile: false,
            context: Place::Session("context".to_owned()),
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            target: None,
            platform: None,
            network: "default".to_owned(),
            extra_hosts: Vec::new(),
            limits: Limits::default(),
            reuse: Reuse::All,
            pull: Pull::Missing,
            contexts: BTreeMap::new(),
            cache_from: Vec::new(),
            subrequest: None,
            cmdline: None,
            hostname: String::new(),
            local_sessions: BTreeMap::new(),
        }
    }
}

impl Attributes {
    /// Reads a frontend's attributes.
    ///
    /// # Errors
    /// One that is not known, or has no sense.
    pub fn read(pairs: &BTreeMap<String, String>) -> Result<Self, AttributesError> {
        let mut attributes = Self::default();
        for (name, value) in pairs {
            attributes.set(name, value)?;
        }
        Ok(attributes)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), AttributesError> {
        let invalid = || AttributesError::Value {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        if let Some((kind, key)) = name.split_once(':') {
            return self.set_keyed(kind, key, value);
        }
        match name {
            "filename" => value.clone_into(&mut self.filename),
            "dockerfilekey" => {
                value.clone_into(&mut self.dockerfile_key);
                self.has_own_dockerfile = true;
            }
            "contextkey" => self.context = Place::Session(value.to_owned()),
            "context" => self.context = context("context", value)?,
            "target" => self.target = Some(value.to_owned()).filter(|target| !target.is_empty()),
            "platform" if value.contains(',') => {
                return Err(AttributesError::Platforms(value.to_owned()));
            }
            "platform" => self.platform = Some(value.to_owned()).filter(|text| !text.is_empty()),
            "force-network-mode" if value.is_empty() => {}
            "force-network-mode" => value.clone_into(&mut self.network),
            "add-hosts" => self.extra_hosts = hosts(value).ok_or_else(invalid)?,
            "shm-size" => self.limits.shm_bytes = value.parse().map_err(|_| invalid())?,
            "ulimit" => self.limits.ulimits = ulimits(value).ok_or_else(invalid)?,
            "cgroup-parent" => value.clone_into(&mut self.limits.cgroup_parent),
            "no-cache" if value.is_empty() => self.reuse = Reuse::Nothing,
            "no-cache" => self.reuse = Reuse::AllBut(list(value)),
            "image-resolve-mode" => {
                self.pull = match value {
                    "pull" => Pull::Always,
                    "local" | "default" | "" => Pull::Missing,
                    _ => return Err(invalid()),
                }
            }
            "cache-imports" => self.cache_from = imports(value).ok_or_else(invalid)?,
            "cache-from" => self.cache_from = list(value),
            "requestid" => self.subrequest = Some(value.to_owned()),
            "cmdline" => self.cmdline = Some(value.to_owned()),
            "hostname" => value.clone_into(&mut self.hostname),
            "frontend.caps" => capable(value)?,
            "multi-platform" => match is_true(value) {
                Some(false) => {}
                Some(true) => return Err(AttributesError::Index),
                None => return Err(invalid()),
            },
            _ => {
                return Err(AttributesError::Unknown {
                    name: name.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
        Ok(())
    }

    fn set_keyed(&mut self, kind: &str, key: &str, value: &str) -> Result<(), AttributesError> {
        match kind {
            "build-arg" => drop(self.build_args.insert(key.to_owned(), value.to_owned())),
            "label" => drop(self.labels.insert(key.to_owned(), value.to_owned())),
            "context" => {
                let place = context(key, value)?;
                self.contexts.insert(key.to_owned(), place);
            }
            // Where the sources come from, for attestations.
            "vcs" => {}
            "local-sessionid" => {
                let value = value.to_owned();
                self.local_sessions.insert(key.to_owned(), value);
            }
            "attest" if value == "disabled=true" => {}
            _ => {
                return Err(AttributesError::Unknown {
                    name: format!("{kind}:{key}"),
                    value: value.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The directories that come from another session than the build's, with its name.
    pub fn foreign(&self, session: &str) -> impl Iterator<Item = (&str, &str)> {
        let named = self.local_sessions.iter();
        let named = named.map(|(name, id)| (name.as_str(), id.as_str()));
        named.filter(move |(_, id)| *id != session)
    }

    /// What the language needs to know.
    ///
    /// # Errors
    /// The platform is none.
    pub fn language(&self, host: &Platform) -> Result<gantry_dockerfile::Options, AttributesError> {
        let mut options = gantry_dockerfile::Options::new(host.clone());
        if let Some(platform) = &self.platform {
            let parsed = Platform::parse(platform, host);
            let invalid = |_| AttributesError::Platform(platform.clone());
            options.target_platform = parsed.map_err(invalid)?;
        }
        options.build_args.clone_from(&self.build_args);
        if let Some(cmdline) = &self.cmdline {
            let frontend = cmdline.split_whitespace().next().unwrap_or_default();
            let syntax = options.build_args.entry("BUILDKIT_SYNTAX".to_owned());
            syntax.or_insert_with(|| frontend.to_owned());
        }
        options.labels.clone_from(&self.labels);
        options.target.clone_from(&self.target);
        Ok(options)
    }
}

/// Go's words for yes and no; neither for anything else.
fn is_true(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Whether everything in a list of capabilities can be done. `+forward` asks another frontend to be
/// told too, and there is none.
fn capable(text: &str) -> Result<(), AttributesError> {
    for name in text.split(',').filter(|name| !name.is_empty()) {
        let plain = name.strip_suffix("+forward").unwrap_or(name);
        if !CAPABILITIES.contains(&plain) {
            return Err(AttributesError::Capability(plain.to_owned()));
        }
    }
    Ok(())
}

/// Comma-separated words.
fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn context(name: &str, source: &str) -> Result<Place, AttributesError> {
    if let Some(path) = crate::session::Session::upload_path(source) {
        return Ok(Place::Upload(path.to_owned()));
    }
    if let Some(directory) = source.strip_prefix("local:") {
        return Ok(Place::Session(directory.to_owned()));
    }
    if let Some(image) = source.strip_prefix("docker-image://") {
        return Ok(Place::Image(image.to_owned()));
    }
    if let Some(layout) = source.strip_prefix("oci-layout://").and_then(Layout::parse) {
        return Ok(Place::Layout(layout));
    }
    if gantry_build::is_address(source) {
        return Ok(Place::Address(source.to_owned()));
    }
    Err(AttributesError::Context {
        name: name.to_owned(),
        place: source.to_owned(),
    })
}

/// `name=address,…` to `name:address`.
fn hosts(text: &str) -> Option<Vec<String>> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, address) = pair.split_once('=')?;
            Some(format!("{name}:{address}"))
        })
        .collect()
}

/// `name=soft[:hard],…`.
fn ulimits(text: &str) -> Option<Vec<Ulimit>> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, values) = pair.split_once('=')?;
            let (soft, hard) = values.split_once(':').unwrap_or((values, values));
            Some(Ulimit {
                name: name.to_owned(),
                hard: hard.parse().ok()?,
                soft: soft.parse().ok()?,
            })
        })
        .collect()
}

/// `[{"Type": "registry", "Attrs": {"ref": "…"}}]`: the references.
fn imports(text: &str) -> Option<Vec<String>> {
    let entries: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    entries
        .iter()
        .map(|entry| {
            if entry.get("Type")?.as_str()? != "registry" {
                return None;
            }
            Some(entry.get("Attrs")?.get("ref")?.as_str()?.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests;
