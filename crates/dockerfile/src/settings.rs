//! An image's configuration as instructions see and change it.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::Healthcheck;
use crate::platform::Platform;

/// The search path of an image that sets none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What instructions change of an image's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `MAINTAINER`.
    pub author: String,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// `USER`.
    pub user: String,
    /// `WORKDIR`.
    pub working_dir: String,
    /// `ENTRYPOINT`.
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`.
    pub cmd: Option<Vec<String>>,
    /// Set by `CMD`.
    pub args_escaped: bool,
    /// `LABEL`.
    pub labels: BTreeMap<String, String>,
    /// `EXPOSE`, as `port/protocol`.
    pub exposed_ports: BTreeSet<String>,
    /// `VOLUME`.
    pub volumes: BTreeSet<String>,
    /// `HEALTHCHECK`.
    pub healthcheck: Option<Healthcheck>,
    /// `ONBUILD`.
    pub onbuild: Vec<String>,
    /// `SHELL`.
    pub shell: Vec<String>,
    /// `STOPSIGNAL`.
    pub stop_signal: String,
    /// The platform the image was made for, where that is known; no instruction changes it.
    pub platform: Option<Platform>,
    /// The steps that this build adds, oldest first.
    pub history: Vec<History>,
}

/// A step in an image's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What BuildKit writes as `created_by`.
    pub created_by: String,
    /// Whether the step makes no layer.
    pub empty_layer: bool,
}

impl Settings {
    /// What `FROM scratch` starts with.
    #[must_use]
    pub fn scratch() -> Self {
        Self {
            working_dir: "/".to_owned(),
            ..Self::default()
        }
    }

    /// The shell of shell forms.
    #[must_use]
    pub fn shell(&self) -> Vec<String> {
        if self.shell.is_empty() {
            return vec!["/bin/sh".to_owned(), "-c".to_owned()];
        }
        self.shell.clone()
    }

    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        let line = format!("{name}={value}");
        let known = self.env.iter_mut().find(|line| split_env(line).0 == name);
        match known {
            Some(known) => *known = line,
            None => self.env.push(line),
        }
    }
}

/// A line of an environment as name and value.
pub(crate) fn split_env(line: &str) -> (&str, &str) {
    line.split_once('=').unwrap_or((line, ""))
}
