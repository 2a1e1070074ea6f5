//! The engine's configuration: flags, then `daemon.json`, then defaults, as one immutable struct
//! that is validated before any socket opens.
//!
//! [`options`] is the table of all options; [`flags`] and [`file`] read their values, [`merge`] puts
//! them together and refuses what stands in both places; [`build`] gives them types.

mod build;
mod file;
mod flags;
mod merge;
mod network;
pub mod options;
mod registries;
mod runtimes;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use gantry_engine_api::host_config::Ulimit;
use gantry_registry::{RegistryOptions, TransferLimits};

pub use file::FileError;
pub use flags::Flags;
pub use merge::{Conflict, Values};
pub use storage::{Collection, StorageOptions};

/// Where `daemon.json` is looked for unless `--config-file` says otherwise.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/gantry/daemon.json";

/// What can be wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error("unable to configure the Docker daemon with file {path}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: FileError,
    },
    /// Options in both places.
    #[error(
        "unable to configure the Docker daemon with file {path}: the following directives are \
         specified both as a flag and in the configuration file: {conflicts}",
        path = path.display(),
        conflicts = merge::list(conflicts)
    )]
    Conflicts {
        /// Which file.
        path: PathBuf,
        /// Each of them.
        conflicts: Vec<Conflict>,
    },
    /// A value that cannot be meant.
    #[error("invalid {option}: {reason}")]
    Invalid {
        /// The option.
        option: String,
        /// Why.
        reason: String,
    },
    /// An option that this engine refuses.
    #[error("{option} is not supported: {reason}")]
    Refused {
        /// The option.
        option: String,
        /// Why.
        reason: &'static str,
    },
}

/// Where the API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A unix socket.
    Unix(PathBuf),
    /// `address:port`.
    Tcp(String),
    /// Sockets handed over by systemd: all, or the one of this name or number.
    Fd(String),
}

/// An OCI runtime: a program and arguments that go before its verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeEntry {
    /// Path or name in PATH.
    pub path: String,
    /// Arguments.
    pub args: Vec<String>,
    /// What else the shim is told (`options` in the file).
    pub options: RuntimeOptions,
}

/// Options of a runtime, under the names of containerd's `runc.v1.Options`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// `Root`: the runtime's state directory; none: one of the engine's own.
    pub root: Option<String>,
    /// `NoPivotRoot`.
    pub no_pivot_root: bool,
    /// `NoNewKeyring`.
    pub no_new_keyring: bool,
}

/// The filter of system calls that containers get unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SeccompDefault {
    /// Docker's own.
    #[default]
    BuiltIn,
    /// None.
    Unconfined,
    /// A profile in Docker's format, as the file held it.
    Profile(String),
}

/// What containers get unless they say otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerDefaults {
    /// `--default-runtime`: a key of `runtimes`.
    pub runtime: String,
    /// `--default-shm-size`, bytes.
    pub shm_size_bytes: i64,
    /// `--default-ulimit`.
    pub ulimits: Vec<Ulimit>,
    /// `--default-ipc-mode`.
    pub ipc_mode: String,
    /// `--default-cgroupns-mode`; none: `private` on cgroup v2, else `host`.
    pub cgroupns_mode: Option<String>,
    /// `--cgroup-parent`; none: the engine's own.
    pub cgroup_parent: Option<String>,
    /// `--init`.
    pub init: bool,
    /// `--init-path`.
    pub init_path: Option<PathBuf>,
    /// `--no-new-privileges`.
    pub no_new_privileges: bool,
    /// `--seccomp-profile`: `builtin`, `unconfined` or a path.
    pub seccomp_profile: String,
    /// What it stands for.
    pub seccomp: SeccompDefault,
    /// `--log-driver`.
    pub log_driver: String,
    /// `--log-opt`, with the engine's defaults.
    pub log_opts: BTreeMap<String, String>,
    /// `default-stop-timeout`, seconds.
    pub stop_timeout_s: i64,
}

/// What networks are made with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkOptions {
    /// `-b`.
    pub bridge: Option<String>,
    /// `--bip`.
    pub bip: Option<ipnet::Ipv4Net>,
    /// `--fixed-cidr`.
    pub fixed_cidr: Option<ipnet::Ipv4Net>,
    /// `--default-gateway`.
    pub default_gateway: Option<Ipv4Addr>,
    /// `--ipv6`.
    pub ipv6: bool,
    /// `--bip6`.
    pub bip6: Option<ipnet::Ipv6Net>,
    /// `--fixed-cidr-v6`.
    pub fixed_cidr_v6: Option<ipnet::Ipv6Net>,
    /// `--default-gateway-v6`.
    pub default_gateway_v6: Option<Ipv6Addr>,
    /// `--default-address-pool`: base and prefix length.
    pub address_pools: Vec<(ipnet::IpNet, u8)>,
    /// `--default-network-opt`: options by driver.
    pub default_options: BTreeMap<String, BTreeMap<String, String>>,
    /// `--mtu`.
    pub mtu: Option<u32>,
    /// `--icc`.
    pub icc: bool,
    /// `--ip-forward`.
    pub ip_forward: bool,
    /// `--ip-masq`.
    pub ip_masq: bool,
    /// `--iptables`.
    pub firewall: bool,
    /// `--host-firewall`.
    pub host_firewall: bool,
    /// `--ip`.
    pub default_binding: Option<IpAddr>,
    /// `--dns`.
    pub dns: Vec<IpAddr>,
    /// `--dns-opt`.
    pub dns_options: Vec<String>,
    /// `--dns-search`.
    pub dns_search: Vec<String>,
    /// `--host-gateway-ip`.
    pub host_gateway: Option<IpAddr>,
}

/// The daemon's own log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// `--log-level`, `-D`.
    pub level: gantry_telemetry::Level,
    /// `--log-format`.
    pub format: gantry_telemetry::Format,
    /// `--trace`.
    pub trace: Option<PathBuf>,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `-H`, never empty.
    pub hosts: Vec<Host>,
    /// `-G`; whether it was asked for (then it must exist).
    pub group: String,
    /// Whether `group` was set by the user.
    pub group_required: bool,
    /// `--data-root`, absolute.
    pub data_root: PathBuf,
    /// `--exec-root`, absolute.
    pub exec_root: PathBuf,
    /// `-p`.
    pub pidfile: PathBuf,
    /// `--containerd`; none: the engine starts its own.
    pub containerd: Option<PathBuf>,
    /// `--containerd-namespace`.
    pub containerd_namespace: String,
    /// `--add-runtime`, and `runc`, which is runc-lite.
    pub runtimes: BTreeMap<String, RuntimeEntry>,
    /// `--exec-opt native.cgroupdriver=`.
    pub cgroup_driver: String,
    /// `--label`.
    pub labels: Vec<String>,
    /// `-D`.
    pub debug: bool,
    /// `--tls=false` or `--tlsverify=false`: TCP without TLS is wanted.
    pub plain_tcp: bool,
    /// The daemon's own log.
    pub log: LogOptions,
    /// For containers.
    pub containers: ContainerDefaults,
    /// For networks.
    pub network: NetworkOptions,
    /// For registries.
    pub registries: RegistryOptions,
    /// How much may be pulled and pushed at once.
    pub transfers: TransferLimits,
    /// How images are stored.
    pub storage: StorageOptions,
    /// When what nobody uses goes.
    pub collection: Collection,
    /// What the administrator should know: options that have no effect.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the file that `flags` names (a missing default file is none), merges and validates.
    ///
    /// # Errors
    /// [`ConfigError`], for the first thing that is wrong.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let named = flags.values.text("config-file");
        let path = PathBuf::from(named.unwrap_or(DEFAULT_CONFIG_FILE));
        let file = file::read(&path, named.is_some()).map_err(|source| ConfigError::File {
            path: path.clone(),
            source,
        })?;
        let values = merge::merge(&flags.values, &file)
            .map_err(|conflicts| ConfigError::Conflicts { path, conflicts })?;
        build::build(&values)
    }

    /// This configuration with those parts of `new` that may change while the daemon runs: debug,
    /// labels, runtimes, registries, garbage collection, what new containers get.
    #[must_use]
    pub fn reloaded(&self, new: Self) -> Self {
        Self {
            debug: new.debug,
            labels: new.labels,
            runtimes: new.runtimes,
            containers: new.containers,
            registries: new.registries,
            collection: new.collection,
            warnings: new.warnings,
            ..self.clone()
        }
    }

    /// What the `reload` event says: the values that may have changed.
    #[must_use]
    pub fn reload_attributes(&self) -> Vec<(String, String)> {
        let runtimes: Vec<_> = self
            .runtimes
            .iter()
            .map(|(name, entry)| format!("{name}:{}", entry.path))
            .collect();
        let attributes = [
            ("debug", self.debug.to_string()),
            ("default-ipc-mode", self.containers.ipc_mode.clone()),
            ("default-runtime", self.containers.runtime.clone()),
            (
                "default-shm-size",
                self.containers.shm_size_bytes.to_string(),
            ),
            ("labels", format!("{:?}", self.labels)),
            ("live-restore", true.to_string()),
            ("runtimes", runtimes.join(" ")),
        ];
        attributes
            .map(|(key, value)| (key.to_owned(), value))
            .into()
    }

    /// The directory of containers' stdio sockets.
    #[must_use]
    pub fn io_dir(&self) -> PathBuf {
        self.exec_root.join("io")
    }
}
