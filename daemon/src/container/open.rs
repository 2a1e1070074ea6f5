//! The containers' part of the engine's start: opens what they are made of.
//!
//! Nothing is started or changed here: `Containers::recover` does that once the supervisor answers.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, RwLock},
};

use gantry_ids::EngineId;
use gantry_image::ImageStore;
use gantry_network::{
    AddressPool, BridgeChoice, DnsConfig, NetworkConfig, NetworkError, Networks, RedbStore,
};

use tokio_util::task::TaskTracker;

use super::{
    registry::{Containers, Parts},
    spec::seccomp,
    validate::Machine,
};
use crate::{
    config::Config,
    embedded,
    events::EventBus,
    host::{
        Host,
        limits::{CgroupVersion, Limits},
    },
    runtime::{
        Supervisor,
        supervise::{self, Supervision},
        watermark::Watermark,
    },
    store::{Store, StoreError},
    volume::{VolumeError, Volumes},
};

/// Why the containers could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The metadata store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The networks.
    #[error("open the networks")]
    Networks(#[source] NetworkError),
    /// The volumes.
    #[error("open the volumes")]
    Volumes(#[source] VolumeError),
    /// A directory, or the init.
    #[error("prepare {path}")]
    Prepare {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What the engine gives them.
#[derive(Debug)]
pub struct With<'a> {
    pub config: Arc<RwLock<Arc<Config>>>,
    pub images: Arc<ImageStore>,
    pub events: Arc<EventBus>,
    pub host: &'a Host,
    pub limits: &'a Limits,
}

/// Where the engine's own supervisor lives; none where `--containerd` names another.
#[must_use]
pub fn supervision(config: &Config) -> Option<Supervision> {
    config.containerd.is_none().then(|| Supervision {
        root: config.data_root.join("containerd"),
        state: config.exec_root.join("containerd"),
        log_level: if config.debug { "debug" } else { "info" }.to_owned(),
    })
}

/// Opens store, volumes and networks.
///
/// # Errors
/// [`OpenError`].
pub fn containers(with: With<'_>) -> Result<Containers, OpenError> {
    let config = Arc::clone(
        &with
            .config
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner),
    );
    for dir in [
        config.io_dir(),
        config.data_root.join("containers"),
        config.data_root.join("volumes"),
    ] {
        make_dir(&dir)?;
    }
    let store = Store::open(
        &config.data_root.join("gantry.redb"),
        &config.exec_root.join("ahead.json"),
    )?;
    let volumes = Volumes::open(
        config.data_root.join("volumes"),
        store.clone(),
        Arc::clone(&with.events),
    )
    .map_err(OpenError::Volumes)?;
    let engine = EngineId::of_data_root(&config.data_root);
    let networks = Networks::open(
        network_config(&config, &engine),
        Arc::new(RedbStore::new(store.database())),
    )
    .map_err(OpenError::Networks)?;
    let networks = Arc::new(networks);
    networks.watch_firewall().map_err(OpenError::Networks)?;
    let socket = config
        .containerd
        .clone()
        .or_else(|| supervision(&config).map(|supervision| supervision.socket()))
        .unwrap_or_default();
    let parts = Parts {
        supervisor: Supervisor::new(&socket, &config.containerd_namespace),
        watermark: Watermark::default(),
        halting: false.into(),
        teardowns: TaskTracker::new(),
        config: with.config,
        store,
        images: with.images,
        networks,
        volumes,
        events: with.events,
        engine,
        machine: machine(with.host, with.limits),
        kernel: seccomp::parse_kernel(&with.host.kernel).unwrap_or_default(),
        machine_name: with.host.name.clone(),
        init: init(&config)?,
        accounts: std::sync::Mutex::default(),
    };
    Ok(Containers::new(Arc::new(parts)))
}

fn make_dir(path: &PathBuf) -> Result<(), OpenError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path);
    made.map_err(|source| OpenError::Prepare {
        path: path.clone(),
        source,
    })
}

fn machine(host: &Host, limits: &Limits) -> Machine {
    let v2 = limits.version == CgroupVersion::V2;
    Machine {
        cpus: u32::try_from(host.cpus).unwrap_or(u32::MAX),
        cgroup_v2: v2,
        blkio_weight: [
            "/sys/fs/cgroup/blkio/blkio.weight",
            "/sys/fs/cgroup/blkio/blkio.bfq.weight",
        ]
        .iter()
        .any(|path| std::path::Path::new(path).exists()),
    }
}

/// The init is written beneath the exec root, so that containers keep theirs when the engine's
/// programs are replaced. It is the embedded one, or in a daemon built without it the one that lies
/// beside the daemon.
fn init(config: &Config) -> Result<Option<PathBuf>, OpenError> {
    let bytes = match (embedded::init(), supervise::find("gantry-init")) {
        (Some(bytes), _) => Ok(bytes.to_vec()),
        (None, Some(program)) => std::fs::read(program),
        (None, None) => return Ok(None),
    };
    let dir = config.exec_root.join("bin");
    make_dir(&dir)?;
    let target = dir.join("gantry-init");
    let written = bytes.and_then(|bytes| write_program(&target, &bytes));
    written.map_err(|source| OpenError::Prepare {
        path: target.clone(),
        source,
    })?;
    Ok(Some(target))
}

/// Replaces a program that may be running: the new file gets the old one's name.
fn write_program(target: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let new = target.with_extension("new");
    std::fs::write(&new, bytes)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(&new, target)
}

fn network_config(config: &Config, engine: &EngineId) -> NetworkConfig {
    let options = &config.network;
    let mut network = NetworkConfig::new(*engine, &config.exec_root);
    network.bridge = match options.bridge.as_deref() {
        None => BridgeChoice::Own,
        Some("none") => BridgeChoice::Disabled,
        Some(name) => BridgeChoice::Existing(name.to_owned()),
    };
    network.bip = options.bip;
    network.fixed_cidr = options.fixed_cidr;
    network.default_gateway = options.default_gateway;
    network.ipv6 = options.ipv6;
    network.bip6 = options.bip6;
    network.fixed_cidr_v6 = options.fixed_cidr_v6;
    network.default_gateway_v6 = options.default_gateway_v6;
    network.address_pools = options
        .address_pools
        .iter()
        .map(|&(base, size)| AddressPool { base, size })
        .collect();
    network.mtu = options.mtu.unwrap_or(network.mtu);
    network.icc = options.icc;
    network.ip_forward = options.ip_forward;
    network.ip_masq = options.ip_masq;
    network.firewall = options.firewall;
    network.host_firewall = options.host_firewall;
    network.default_binding = options.default_binding.unwrap_or(network.default_binding);
    network.dns = DnsConfig {
        servers: options.dns.clone(),
        search: options.dns_search.clone(),
        options: options.dns_options.clone(),
        host_gateway: options.host_gateway,
    };
    network
}
