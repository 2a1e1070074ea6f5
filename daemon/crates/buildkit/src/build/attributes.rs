//! The attributes of the frontend `dockerfile.v0`, and of exporters: text to values.
//!
//! Whatever is not known is refused by name: nothing that was asked for is passed over. What has no
//! effect here, but cannot change what is built, is listed in [`WITHOUT_EFFECT`].

use std::collections::BTreeMap;

use gantry_build::{Limits, Pull, Reuse, Ulimit};
use gantry_dockerfile::Platform;

/// Attributes that describe the build, and those that say what the client can do.
pub const WITHOUT_EFFECT: &[&str] = &["cmdline", "frontend.caps", "multi-platform", "hostname"];

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
}

/// What a build was asked for, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The Dockerfile's name.
    pub filename: String,
    /// The session's name of the directory it is in.
    pub dockerfile_key: String,
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
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            filename: "Dockerfile".to_owned(),
            dockerfile_key: "dockerfile".to_owned(),
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
            "dockerfilekey" => value.clone_into(&mut self.dockerfile_key),
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
            _ if WITHOUT_EFFECT.contains(&name) => {}
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
            // The session of the build is the only one there is.
            "local-sessionid" => {}
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

    /// The frontend that the build asks for in words, if any.
    #[must_use]
    pub fn syntax(&self) -> Option<&str> {
        self.build_args.get("BUILDKIT_SYNTAX").map(String::as_str)
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
        options.labels.clone_from(&self.labels);
        options.target.clone_from(&self.target);
        Ok(options)
    }
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
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Attributes, AttributesError> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Attributes::read(&pairs.iter().map(own).collect())
    }

    #[test]
    fn recorded_attributes_are_read() {
        let attributes = read(&[
            ("ulimit", "nofile=10:20"),
            ("shm-size", "67108864"),
            ("platform", "linux/amd64"),
            ("label:l", "m"),
            ("add-hosts", "h=1.2.3.4"),
            ("build-arg:A", "b"),
            ("force-network-mode", "none"),
            ("no-cache", "one"),
            ("target", "one"),
            ("image-resolve-mode", "pull"),
            ("filename", "D.warn"),
            ("context:nn", "local:nn"),
            ("context:alpine", "docker-image://alpine:3"),
            ("frontend.caps", "moby.buildkit.frontend.contexts+forward"),
        ])
        .unwrap();
        assert_eq!(attributes.filename, "D.warn");
        assert_eq!(attributes.limits.shm_bytes, 64 << 20);
        let limit = &attributes.limits.ulimits[0];
        assert_eq!(
            (limit.name.as_str(), limit.soft, limit.hard),
            ("nofile", 10, 20)
        );
        assert_eq!(attributes.extra_hosts, ["h:1.2.3.4"]);
        assert_eq!(attributes.network, "none");
        assert_eq!(attributes.reuse, Reuse::AllBut(vec!["one".to_owned()]));
        assert_eq!(attributes.pull, Pull::Always);
        assert_eq!(attributes.contexts["nn"], Place::Session("nn".to_owned()));
        let image = Place::Image("alpine:3".to_owned());
        assert_eq!(attributes.contexts["alpine"], image);
        let host = Platform::new("linux", "arm64", "");
        let language = attributes.language(&host).unwrap();
        assert_eq!(language.target_platform.architecture, "amd64");
        assert_eq!(language.build_platform, host);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (name, value, said) in [
            (
                "nonsense",
                "1",
                "the option nonsense=\"1\" of the build is not supported",
            ),
            (
                "attest:sbom",
                "",
                "the option attest:sbom=\"\" of the build is not supported",
            ),
            (
                "shm-size",
                "big",
                "invalid value \"big\" of the option shm-size of the build",
            ),
            (
                "ulimit",
                "nofile",
                "invalid value \"nofile\" of the option ulimit of the build",
            ),
            (
                "platform",
                "a,b",
                "multi-platform builds are not supported yet: a,b",
            ),
            (
                "context",
                "https://example.com/a.git",
                "the build context context=\"https://example.com/a.git\" is not supported yet",
            ),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().to_string(), said);
        }
    }
}
