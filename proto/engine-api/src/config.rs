//! A container's configuration that does not depend on the host: what to run, as whom, with what.

use serde::{Deserialize, Serialize};

use crate::json::{Empty, List, Map, str_slice};

/// The portable part of a container's definition (`Config` in inspect, the top of a create body).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// Host name inside the container; empty: the short id.
    pub hostname: String,
    /// NIS domain name.
    pub domainname: String,
    /// `user[:group]`, names or numbers.
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    /// Ports as `80/tcp`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub exposed_ports: Map<Empty>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    /// `NAME=value`; `NAME` alone removes the image's variable.
    pub env: List<String>,
    #[serde(deserialize_with = "str_slice")]
    pub cmd: List<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    /// The image as the client named it.
    pub image: String,
    /// Anonymous volumes by their path in the container.
    pub volumes: Map<Empty>,
    pub working_dir: String,
    #[serde(deserialize_with = "str_slice")]
    pub entrypoint: List<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub network_disabled: bool,
    /// Gone from answers since 1.44; older clients still send it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub on_build: List<String>,
    pub labels: Map<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "List::is_empty", deserialize_with = "str_slice")]
    pub shell: List<String>,
}

/// A health check; durations are nanoseconds, 0 inherits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthConfig {
    /// `[]` inherits, `["NONE"]` disables, `["CMD", …]` or `["CMD-SHELL", line]`.
    #[serde(skip_serializing_if = "List::is_empty")]
    pub test: List<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// Go's `omitempty` for a number.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) fn is_zero(number: &i64) -> bool {
    *number == 0
}
