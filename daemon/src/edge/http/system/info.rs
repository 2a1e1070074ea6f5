//! `GET /info`: the engine and its machine as they are.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gantry_engine_api::system::{
    AddressPool, Commit, ContainerdInfo, ContainerdNamespaces, FirewallInfo, IndexInfo,
    PluginsInfo, RegistryConfig, Runtime, SwarmInfo, SystemInfo,
};
use gantry_engine_api::{ApiVersion, List, Map};
use http::StatusCode;

use crate::config::{Config, Host};
use crate::edge::http::extract::Version;
use crate::edge::http::json;
use crate::engine::Engine;
use crate::host::limits::CgroupVersion;
use crate::host::{filesystem, open_descriptors, switched_on};
use crate::runtime::supervise;

pub(super) async fn show(State(engine): State<Arc<Engine>>, Version(version): Version) -> Response {
    let mut info = SystemInfo::default();
    let config = engine.config();
    objects(&engine, &mut info);
    machine(&engine, &mut info);
    policy(&config, &mut info);
    supervision(&config, &mut info);
    features(&engine, &config, &mut info).await;
    process(&engine, &mut info);
    registries(&mut info);
    info.security_options = security_options(&config, engine.limits.version);
    info.warnings = warnings(&engine, &config).into();
    gate(version, &mut info);
    json(StatusCode::OK, &info)
}

/// What the engine holds.
fn objects(engine: &Engine, info: &mut SystemInfo) {
    let counts = engine.census.counts();
    info.id.clone_from(&engine.id);
    info.containers = counts.running + counts.stopped;
    info.containers_running = counts.running - counts.paused;
    info.containers_paused = counts.paused;
    info.containers_stopped = counts.stopped;
    info.images = engine.images.list().len();
    info.driver = "overlay2".to_owned();
    let row = |name: &str, value: &str| List::from(vec![name.to_owned(), value.to_owned()]);
    info.driver_status = List::from(vec![
        row("Backing Filesystem", filesystem(&engine.config().data_root)),
        row("Supports d_type", "true"),
        row("Using metacopy", "false"),
        row("Native Overlay Diff", "true"),
        row("userxattr", "false"),
    ]);
}

/// The machine.
fn machine(engine: &Engine, info: &mut SystemInfo) {
    let (host, limits) = (&engine.host, &engine.limits);
    info.memory_limit = limits.memory;
    info.swap_limit = limits.swap;
    info.cpu_cfs_period = limits.cpu_quota;
    info.cpu_cfs_quota = limits.cpu_quota;
    info.cpu_shares = limits.cpu_shares;
    info.cpu_set = limits.cpuset;
    info.pids_limit = limits.pids;
    info.oom_kill_disable = limits.oom_kill_disable;
    info.cgroup_version = match limits.version {
        CgroupVersion::V1 => "1".to_owned(),
        CgroupVersion::V2 => "2".to_owned(),
    };
    info.ipv4_forwarding = switched_on("/proc/sys/net/ipv4/ip_forward");
    info.kernel_version.clone_from(&host.kernel);
    info.operating_system.clone_from(&host.os);
    info.os_version.clone_from(&host.os_version);
    info.os_type = "linux".to_owned();
    info.architecture.clone_from(&host.machine);
    info.ncpu = host.cpus;
    info.mem_total = host.memory;
    info.name.clone_from(&host.name);
    info.system_time = jiff::Timestamp::now().to_string();
}

/// What the administrator has chosen.
fn policy(config: &Config, info: &mut SystemInfo) {
    info.debug = config.debug;
    info.logging_driver
        .clone_from(&config.containers.log_driver);
    info.cgroup_driver.clone_from(&config.cgroup_driver);
    info.docker_root_dir = config.data_root.display().to_string();
    info.labels = config.labels.clone().into();
    info.live_restore_enabled = true;
    info.default_runtime.clone_from(&config.containers.runtime);
    let pools = config.network.address_pools.iter();
    let pools = pools.map(|(base, size)| AddressPool {
        base: base.to_string(),
        size: *size,
    });
    info.default_address_pools = pools.collect();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    info.plugins = PluginsInfo {
        volume: texts(&["local"]),
        network: texts(&["bridge", "host", "ipvlan", "macvlan", "null"]),
        authorization: List::default(),
        log: texts(&["json-file", "none"]),
    };
    info.swarm = SwarmInfo {
        local_node_state: "inactive".to_owned(),
        ..SwarmInfo::default()
    };
}

/// The programs below.
fn supervision(config: &Config, info: &mut SystemInfo) {
    let runtimes = config.runtimes.iter().map(|(name, entry)| {
        let args = entry.args.clone().into();
        let runtime = Runtime {
            path: entry.path.clone(),
            runtime_args: args,
            status: Map::default(),
        };
        (name.clone(), runtime)
    });
    info.runtimes = runtimes.collect();
    info.init_binary = match &config.containers.init_path {
        Some(path) => path.display().to_string(),
        None => "gantry-init".to_owned(),
    };
    let commit = || Commit {
        id: env!("CARGO_PKG_VERSION").to_owned(),
    };
    info.containerd_commit = commit();
    info.runc_commit = commit();
    info.init_commit = commit();
    let own = || config.exec_root.join("containerd/containerd.sock");
    let address = config.containerd.clone().unwrap_or_else(own);
    info.containerd = Some(ContainerdInfo {
        address: address.display().to_string(),
        namespaces: ContainerdNamespaces {
            containers: config.containerd_namespace.clone(),
            plugins: format!("plugins.{}", config.containerd_namespace),
        },
    });
    info.firewall_backend = Some(FirewallInfo {
        driver: "nftables".to_owned(),
        info: List::default(),
    });
}

/// What each runtime says of itself.
async fn features(engine: &Engine, config: &Config, info: &mut SystemInfo) {
    for (name, entry) in &config.runtimes {
        let found = engine.features.of(&supervise::program(&entry.path)).await;
        if let (Some(found), Some(runtime)) = (found, info.runtimes.get_mut(name)) {
            let key = "org.opencontainers.runtime-spec.features".to_owned();
            runtime.status = [(key, found)].into_iter().collect();
        }
    }
}

/// The daemon's process.
fn process(engine: &Engine, info: &mut SystemInfo) {
    info.server_version = env!("CARGO_PKG_VERSION").to_owned();
    info.n_events_listener = engine.events.listeners();
    info.n_fd = open_descriptors();
    let runtime = tokio::runtime::Handle::current();
    info.n_goroutines = runtime.metrics().num_alive_tasks();
}

fn registries(info: &mut SystemInfo) {
    info.index_server_address = "https://index.docker.io/v1/".to_owned();
    let hub = IndexInfo {
        name: "docker.io".to_owned(),
        mirrors: List::empty(),
        secure: true,
        official: true,
    };
    info.registry_config = Some(RegistryConfig {
        insecure_registry_cidrs: vec!["::1/128".to_owned(), "127.0.0.0/8".to_owned()].into(),
        index_configs: [("docker.io".to_owned(), hub)].into_iter().collect(),
        mirrors: List::default(),
    });
}

/// The confinements that new containers get.
fn security_options(config: &Config, version: CgroupVersion) -> List<String> {
    let mut options = Vec::new();
    if switched_on("/sys/module/apparmor/parameters/enabled") {
        options.push("name=apparmor".to_owned());
    }
    options.push(format!(
        "name=seccomp,profile={}",
        config.containers.seccomp_profile
    ));
    let private = match &config.containers.cgroupns_mode {
        Some(mode) => mode == "private",
        None => version == CgroupVersion::V2,
    };
    if private {
        options.push("name=cgroupns".to_owned());
    }
    if config.containers.no_new_privileges {
        options.push("name=no-new-privileges".to_owned());
    }
    options.into()
}

fn warnings(engine: &Engine, config: &Config) -> Vec<String> {
    let mut warnings = engine.limits.warnings();
    for host in &config.hosts {
        if let Host::Tcp(address) = host {
            warnings.push(format!(
                "WARNING: API is accessible on http://{address} without encryption.\n         \
                 Access to the remote API is equivalent to root access on the host."
            ));
        }
    }
    warnings
}

/// Takes out what clients of older versions do not know.
fn gate(version: ApiVersion, info: &mut SystemInfo) {
    if !version.at_least(46) {
        info.containerd = None;
    }
    if !version.at_least(49) {
        info.firewall_backend = None;
    }
}
