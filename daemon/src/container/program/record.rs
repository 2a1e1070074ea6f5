//! The record that a container with a build's program would have: what the specification is made of.

use std::collections::BTreeMap;

use gantry_build::{MountSource, ReadyMount, Run};
use gantry_engine_api::json::FromBody;
use gantry_engine_api::{ContainerConfig, HostConfig, Map};
use gantry_ids::{Digest, ImageId, random_name};
use jiff::Timestamp;
use serde_json::json;

use super::super::error::ContainerError;
use super::super::model::{LastRun, Record};
use super::super::mounts::{MountRecord, ReadOnlyDepth, Source};
use super::super::registry::Parts;
use super::super::state::Life;
use super::super::{endpoints, task, validate};
use super::group;

/// The name that programs see as their machine's, as in BuildKit.
const HOSTNAME: &str = "buildkitsandbox";

/// The record that a container like this would have.
pub(super) fn of(parts: &Parts, run: &Run<'_>) -> Result<Record, ContainerError> {
    let (mut config, mut host) = (config(run)?, host(parts, run)?);
    let settings = parts.config();
    validate::create(&mut config, &mut host, &settings.containers, &parts.machine)?;
    let mut endpoints = Map::default();
    if let Some(network) = endpoints::main_network(&host.network_mode) {
        let network = endpoints::canonical(parts, network);
        endpoints.insert(network, Box::default());
    }
    let mut words = run.step.args.iter().cloned();
    let path = words
        .next()
        .ok_or_else(|| ContainerError::Invalid("RUN has no command".to_owned()))?;
    Ok(Record {
        v: Record::CURRENT,
        id: run
            .id
            .parse()
            .map_err(|_| ContainerError::Invalid(format!("{} is no identifier", run.id)))?,
        name: random_name(0),
        created: Timestamp::now(),
        image: ImageId::new(Digest::of(b"")),
        chain: run.rootfs.chain,
        path,
        args: words.collect(),
        config,
        host,
        endpoints,
        mounts: run.mounts.iter().map(mount).collect(),
        life: Life::Created,
        last: LastRun::default(),
        restarts: 0,
        oom: false,
        stopped_by_user: false,
        halted: false,
        log_path: None,
    })
}

fn config(run: &Run<'_>) -> Result<ContainerConfig, ContainerError> {
    let step = run.step;
    let mut variables: BTreeMap<&str, &str> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    // What is said later wins and keeps its first place; proxies are for this program alone.
    for (name, value) in step.env.iter().chain(&step.proxy) {
        if variables.insert(name, value).is_none() {
            order.push(name);
        }
    }
    let env = order
        .iter()
        .map(|name| format!("{name}={}", variables[name]));
    let body = json!({
        "Hostname": if run.hostname.is_empty() { HOSTNAME } else { run.hostname },
        "User": step.user,
        "Env": env.collect::<Vec<_>>(),
        "Cmd": step.args,
        "WorkingDir": step.dir,
        "AttachStdout": true,
        "AttachStderr": true,
    });
    ContainerConfig::from_body(&body).map_err(|error| ContainerError::Invalid(error.to_string()))
}

fn host(parts: &Parts, run: &Run<'_>) -> Result<HostConfig, ContainerError> {
    let limits = run.limits;
    let ulimits = limits.ulimits.iter();
    let ulimits = ulimits.map(|one| json!({"Name": one.name, "Hard": one.hard, "Soft": one.soft}));
    let settings = parts.config();
    let parent = task::cgroup_parent(parts, &limits.cgroup_parent);
    let is_systemd = settings.cgroup_driver == "systemd";
    let body = json!({
        "NetworkMode": run.network,
        "ExtraHosts": run.extra_hosts,
        "ShmSize": limits.shm_bytes,
        "Ulimits": ulimits.collect::<Vec<_>>(),
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_swap_bytes,
        "CpuShares": limits.cpu_shares,
        "CpuPeriod": limits.cpu_period_us,
        "CpuQuota": limits.cpu_quota_us,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "CgroupParent": group::name(&parent, run.build, is_systemd),
    });
    HostConfig::from_body(&body).map_err(|error| ContainerError::Invalid(error.to_string()))
}

fn mount(ready: &ReadyMount) -> MountRecord {
    let source = match &ready.source {
        MountSource::Host(path) => Source::Bind {
            path: path.display().to_string(),
            propagation: "rprivate".to_owned(),
            flat: false,
            depth: ReadOnlyDepth::BestEffort,
            create: false,
            owner: None,
        },
        MountSource::Tmpfs { size_bytes } => Source::Tmpfs {
            options: size_bytes
                .map(|size| format!("size={size}"))
                .into_iter()
                .chain(["exec".to_owned()])
                .collect(),
        },
    };
    MountRecord {
        target: ready.target.display().to_string(),
        source,
        writable: !ready.read_only,
        mode: String::new(),
    }
}
