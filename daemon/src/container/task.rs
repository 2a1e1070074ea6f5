//! What the supervisor is asked to create: specification, streams, log, OCI runtime.

use std::path::PathBuf;

use super::{
    error::ContainerError,
    joins::Joins,
    model::Record,
    registry::Parts,
    runtimes,
    spec::{self, Surroundings, namespaces::Join},
    start::Prepared,
};
use crate::runtime::{
    NewTask, RuntimeChoice,
    stdio::{self, LogTarget},
    supervise,
};

/// The shim's name in containerd's form: `containerd-shim-lite-v2`.
const SHIM: &str = "io.containerd.lite.v2";
/// How much of a log is kept where the options say nothing.
const LOG_MAX_SIZE: u64 = 20 << 20;
/// How many log files are kept where the options say nothing.
const LOG_MAX_FILE: u32 = 5;

pub(super) fn new_task(
    parts: &Parts,
    record: &Record,
    prepared: Prepared,
    joins: Joins,
) -> Result<NewTask, ContainerError> {
    let config = parts.config();
    let files = prepared.files.or(joins.files);
    let wants_init = record.host.init.unwrap_or(config.containers.init);
    let init = config
        .containers
        .init_path
        .clone()
        .or_else(|| parts.init.clone());
    let around = Surroundings {
        passwd: prepared.passwd,
        group: prepared.group,
        resolv_conf: files.as_ref().map(|files| files.resolv_conf.clone()),
        hostname: files.as_ref().map(|files| files.hostname.clone()),
        hosts: files.as_ref().map(|files| files.hosts.clone()),
        init: init.filter(|_| wants_init && record.host.pid_mode != "host"),
        join: Join {
            network: prepared.sandbox.or(joins.network),
            ipc: joins.ipc,
            pid: joins.pid,
        },
        shm: prepared.shm.or(joins.shm),
        linked: joins.variables,
        seccomp: config.containers.seccomp.clone(),
        cgroups_path: cgroups_path(parts, record),
        cgroup_v2: parts.machine.cgroup_v2,
        kernel: parts.kernel,
        machine: parts.machine_name.clone(),
        devices: prepared.devices,
    };
    let spec = spec::build(record, &around)?;
    let spec = serde_json::to_vec(&spec).expect("a specification has string keys only");
    let output = stdio::uri(
        parts.io_socket(&record.id),
        log_target(record),
        record.config.stdin_once,
    );
    Ok(NewTask {
        id: record.id.clone(),
        spec,
        rootfs: prepared.rootfs.mounts,
        layers: prepared.rootfs.lease,
        stdin: if record.config.open_stdin {
            output.clone()
        } else {
            String::new()
        },
        output,
        terminal: record.config.tty,
        runtime: runtime_choice(parts, &record.host.runtime)?,
        image: record.config.image.clone(),
    })
}

/// Beneath the engine's own parent unless the user named one.
fn cgroups_path(parts: &Parts, record: &Record) -> String {
    let config = parts.config();
    let parent = cgroup_parent(parts, &record.host.cgroup_parent);
    if config.cgroup_driver == "systemd" {
        let slice = if parent.starts_with('/') {
            "system.slice"
        } else {
            &parent
        };
        return format!("{slice}:gantry:{}", record.id);
    }
    format!("/{}/{}", parent.trim_matches('/'), record.id)
}

/// The parent of control groups: the user's, the configuration's, else the engine's own.
pub(super) fn cgroup_parent(parts: &Parts, asked: &str) -> String {
    let config = parts.config();
    [asked]
        .into_iter()
        .chain(config.containers.cgroup_parent.as_deref())
        .find(|parent| !parent.is_empty())
        .map_or_else(
            || format!("/gantry-{}", parts.engine.as_str()),
            str::to_owned,
        )
}

/// The OCI runtime of this name.
///
/// # Errors
/// [`ContainerError::Invalid`] if the configuration does not have it any more.
pub(super) fn runtime_choice(parts: &Parts, name: &str) -> Result<RuntimeChoice, ContainerError> {
    let config = parts.config();
    let entry = config.runtimes.get(name).ok_or_else(|| {
        ContainerError::Invalid(format!("unknown or invalid runtime name: {name}"))
    })?;
    let binary = supervise::program(&entry.path);
    let binary = runtimes::with_arguments(&config, name, entry, binary)?;
    Ok(RuntimeChoice {
        binary: binary.display().to_string(),
        root: entry.options.root.clone().unwrap_or_else(|| {
            let own = config.exec_root.join(format!("runtime-{name}"));
            own.display().to_string()
        }),
        systemd_cgroup: config.cgroup_driver == "systemd",
        shim: SHIM.to_owned(),
        no_pivot_root: entry.options.no_pivot_root,
        no_new_keyring: entry.options.no_new_keyring,
    })
}

/// Where the output is logged; none for `--log-driver none`.
fn log_target(record: &Record) -> Option<LogTarget> {
    let path = PathBuf::from(record.log_path.as_ref()?);
    let options = &record.host.log_config.config;
    let max_size = options
        .get("max-size")
        .map_or(Some(LOG_MAX_SIZE), |text| bytes(text));
    let max_file = options.get("max-file").and_then(|text| text.parse().ok());
    Some(LogTarget {
        path,
        max_size: max_size.unwrap_or(0),
        max_file: max_file.unwrap_or(LOG_MAX_FILE),
        attrs: super::log_attrs::of(record),
    })
}

/// `20m`, `1g`, `512k`, `-1` for no limit.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].trim_end_matches('b') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_logs_are_read() {
        assert_eq!(bytes("20m"), Some(20 << 20));
        assert_eq!(bytes("1GB"), Some(1 << 30));
        assert_eq!(bytes("100"), Some(100));
        assert_eq!(bytes("-1"), None);
    }
}
