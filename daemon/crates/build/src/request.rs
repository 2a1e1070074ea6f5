//! What a client asks of a build, whichever door it came by. A door only translates into this.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry_dockerfile::Source;
use gantry_ids::ImageRef;

use crate::port::Context;

/// A build, as it was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The Dockerfile; its name is what messages call it.
    pub dockerfile: Source,
    /// The text of the ignore file that applies: `<Dockerfile>.dockerignore`, else `.dockerignore`;
    /// empty without one. The door finds it, since only it knows where the files are.
    pub ignore: String,
    /// What the language needs to know: build arguments, target, labels, platforms. `ignored` in it
    /// is filled in by the solver.
    pub language: gantry_dockerfile::Options,
    /// The network of `RUN` where the instruction names none: `default`, `none`, `host`, or a name
    /// of the engine's networks.
    pub network: String,
    /// Further lines of `/etc/hosts`, as `name:address`.
    pub extra_hosts: Vec<String>,
    /// What `RUN` may use.
    pub limits: Limits,
    /// The machine's name that `RUN` sees; empty for BuildKit's.
    pub hostname: String,
    /// Whether `RUN` may use the host's network.
    pub host_network: HostNetwork,
    /// Which results of earlier builds may be used.
    pub reuse: Reuse,
    /// Images whose layers may stand for steps (`--cache-from`), as names.
    pub cache_from: Vec<String>,
    /// Whether the image is to carry the keys of its steps (`--cache-to type=inline`).
    pub inline_cache: bool,
    /// Whether base images are asked for at their registry although they are here.
    pub pull: Pull,
    /// `--build-context`: names that `FROM` and `--from` may use for something else than a stage
    /// or an image of that name.
    pub contexts: BTreeMap<String, NamedContext>,
    /// What is made of the target. Without any, the build is done for its cache and its faults.
    pub exports: Vec<Export>,
}

impl Request {
    /// A plain build: everything else is at its default, nothing is exported.
    #[must_use]
    pub fn new(dockerfile: Source, language: gantry_dockerfile::Options) -> Self {
        Self {
            dockerfile,
            ignore: String::new(),
            language,
            network: "default".to_owned(),
            extra_hosts: Vec::new(),
            limits: Limits::default(),
            hostname: String::new(),
            host_network: HostNetwork::Granted,
            reuse: Reuse::All,
            cache_from: Vec::new(),
            inline_cache: false,
            pull: Pull::Missing,
            contexts: BTreeMap::new(),
            exports: Vec::new(),
        }
    }
}

/// What the programs of a build may use; zero and empty mean the default of containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The size of `/dev/shm`, bytes.
    pub shm_bytes: u64,
    /// Limits of processes.
    pub ulimits: Vec<Ulimit>,
    /// Memory, bytes.
    pub memory_bytes: i64,
    /// Memory with swap, bytes; −1 for no limit.
    pub memory_swap_bytes: i64,
    /// Relative weight.
    pub cpu_shares: i64,
    /// Length of a scheduling period, microseconds.
    pub cpu_period_us: i64,
    /// Time per period, microseconds.
    pub cpu_quota_us: i64,
    /// Processors: `0-2,4`.
    pub cpuset_cpus: String,
    /// Memory nodes: `0-1`.
    pub cpuset_mems: String,
    /// The control group above the build's.
    pub cgroup_parent: String,
}

/// A limit of processes (`setrlimit(2)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// Its name without `RLIMIT_`, in small letters: `nofile`.
    pub name: String,
    /// What a process may raise its own limit to; −1 for no limit.
    pub hard: i64,
    /// What holds at first; −1 for no limit.
    pub soft: i64,
}

/// Whether programs may use the host's network (BuildKit's entitlement `network.host`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostNetwork {
    /// They may.
    Granted,
    /// They may not: a step that asks for it is a fault.
    Refused,
}

/// Which results of earlier builds may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reuse {
    /// All.
    #[default]
    All,
    /// None: `--no-cache`. What is made is kept for others.
    Nothing,
    /// All but those of stages of these names: `--no-cache-filter`.
    AllBut(Vec<String>),
}

/// When a base image is asked for at its registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pull {
    /// When it is not here.
    #[default]
    Missing,
    /// Always: `--pull`.
    Always,
}

/// What a name of `--build-context` stands for.
#[derive(Debug, Clone)]
pub enum NamedContext {
    /// Files of the client.
    Files(Arc<dyn Context>),
    /// An image, by name: `docker-image://…`.
    Image(String),
    /// What lies at an address: a repository, or a file of the web.
    Address(String),
}

/// What is made of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Export {
    /// An image in the store. Archives (`type=docker`, `type=oci`) are written by the door from it.
    Image {
        /// The names it gets; none leaves it without.
        names: Vec<ImageRef>,
    },
    /// The target's files, held open for the door to send: see [`crate::Outcome::files`].
    Files,
}
