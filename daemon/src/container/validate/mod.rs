//! Whether a create or update request can be meant: values and their combinations, with dockerd's
//! messages; and the defaults that inspect shows although nobody asked for them.
//!
//! Pure but for the number of processors, which comes in as [`Machine`].

mod limits;

use gantry_engine_api::{ContainerConfig, HostConfig};
use gantry_ids::Signal;

use super::{
    error::ContainerError,
    restart::Policy,
    spec::{
        capabilities,
        namespaces::{Mode, mode},
        security,
    },
};
use crate::config::ContainerDefaults;

pub use limits::{resources, update};

/// What the machine has.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    pub cpus: u32,
    /// Pure control group v2.
    pub cgroup_v2: bool,
    /// The kernel can weigh block I/O.
    pub blkio_weight: bool,
}

type Check = Result<(), ContainerError>;

fn invalid<T>(text: impl Into<String>) -> Result<T, ContainerError> {
    Err(ContainerError::Invalid(text.into()))
}

/// Checks a create request and completes it with the engine's defaults. Answers the warnings.
///
/// # Errors
/// The first thing that is wrong.
pub fn create(
    config: &mut ContainerConfig,
    host: &mut HostConfig,
    defaults: &ContainerDefaults,
    machine: &Machine,
) -> Result<Vec<String>, ContainerError> {
    process(config)?;
    modes(config, host)?;
    policy(host)?;
    let mut warnings = resources(host, machine)?;
    security_options(host, &mut warnings)?;
    addresses(host)?;
    annotations(host)?;
    logging(host)?;
    if config
        .healthcheck
        .as_ref()
        .is_some_and(|check| !check.test.is_empty())
    {
        warnings.push(
            "health checks are not built yet: the container's health is not watched".to_owned(),
        );
    }
    if mode(&host.network_mode) == Mode::Host && !host.port_bindings.is_empty() {
        warnings.push("Published ports are discarded when using host network mode".to_owned());
    }
    complete(host, defaults, machine);
    Ok(warnings)
}

fn process(config: &ContainerConfig) -> Check {
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return invalid(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            config.working_dir
        ));
    }
    if !config.stop_signal.is_empty() && config.stop_signal.parse::<Signal>().is_err() {
        return invalid(format!("invalid signal: {}", config.stop_signal));
    }
    if let Some(bad) = config
        .env
        .iter()
        .find(|entry| entry.is_empty() || entry.starts_with('='))
    {
        return invalid(format!("invalid environment variable: {bad}"));
    }
    let Some(check) = &config.healthcheck else {
        return Ok(());
    };
    for (name, value) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if value != 0 && value < 1_000_000 {
            return invalid(format!("{name} in Healthcheck cannot be less than 1ms"));
        }
    }
    if check.retries < 0 {
        return invalid("Retries in Healthcheck cannot be negative");
    }
    Ok(())
}

fn modes(config: &ContainerConfig, host: &HostConfig) -> Check {
    let network = mode(&host.network_mode);
    if let Mode::Container(_) = network {
        if !config.hostname.is_empty() {
            return invalid("conflicting options: hostname and the network mode");
        }
        if !host.links.is_empty() {
            return invalid(
                "conflicting options: container type network can't be used with links. \
                            This would result in undefined behavior",
            );
        }
        if !host.dns.is_empty() {
            return invalid("conflicting options: dns and the network mode");
        }
        if !host.extra_hosts.is_empty() {
            return invalid("conflicting options: custom host-to-IP mapping and the network mode");
        }
        if !host.port_bindings.is_empty() || host.publish_all_ports {
            return invalid(
                "conflicting options: port publishing and the container type network mode",
            );
        }
        if !config.exposed_ports.is_empty() {
            return invalid(
                "conflicting options: port exposing and the container type network mode",
            );
        }
    }
    if host.uts_mode == "host" && !config.hostname.is_empty() {
        return invalid("conflicting options: hostname and the UTS mode");
    }
    let word = |text: &str, known: &[&str]| match mode(text) {
        Mode::Default | Mode::Host => true,
        Mode::Container(other) => known.contains(&"container:") && !other.is_empty(),
        Mode::Word(word) => known.contains(&word),
    };
    if !word(
        &host.ipc_mode,
        &["container:", "private", "shareable", "none"],
    ) {
        return invalid(format!("invalid IPC mode: {}", host.ipc_mode));
    }
    if !word(&host.pid_mode, &["container:", "private"]) {
        return invalid(format!("invalid PID mode: {}", host.pid_mode));
    }
    if !word(&host.uts_mode, &[]) {
        return invalid(format!("invalid UTS mode: {}", host.uts_mode));
    }
    if !word(&host.cgroupns_mode, &["private"]) {
        return invalid(format!(
            "invalid cgroup namespace mode: {}",
            host.cgroupns_mode
        ));
    }
    if !matches!(host.isolation.as_str(), "" | "default") {
        return invalid(format!(
            "invalid isolation ({}): linux only supports 'default'",
            host.isolation
        ));
    }
    Ok(())
}

fn policy(host: &HostConfig) -> Check {
    let asked = &host.restart_policy;
    let policy = Policy::parse(&asked.name, asked.maximum_retry_count)?;
    if host.auto_remove && policy != Policy::No {
        return invalid("can't create 'AutoRemove' container with restart policy");
    }
    Ok(())
}

fn security_options(host: &mut HostConfig, warnings: &mut Vec<String>) -> Check {
    for (list, names) in [
        ("CapAdd", &mut host.cap_add),
        ("CapDrop", &mut host.cap_drop),
    ] {
        let parsed = capabilities::parse(list, names)
            .map_err(|error| ContainerError::Invalid(error.to_string()))?;
        if !names.is_nil() {
            *names = parsed.into();
        }
    }
    let options = security::Options::parse(host)
        .map_err(|error| ContainerError::InvalidInternal(error.to_string()))?;
    for option in options.without_effect {
        warnings.push(format!(
            "security option {option} has no effect: this engine sets no label and no AppArmor profile"
        ));
    }
    if !host.storage_opt.is_empty() {
        return Err(ContainerError::InvalidInternal(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
                .to_owned(),
        ));
    }
    Ok(())
}

fn addresses(host: &HostConfig) -> Check {
    for entry in host.extra_hosts.iter() {
        let split = entry.split_once(':').filter(|(name, _)| !name.is_empty());
        let Some((_, address)) = split else {
            return invalid(format!("bad format for add-host: \"{entry}\""));
        };
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        if address != "host-gateway" && bare.parse::<std::net::IpAddr>().is_err() {
            return invalid(format!("invalid IP address in add-host: \"{address}\""));
        }
    }
    if !host.links.is_empty() && mode(&host.network_mode) == Mode::Host {
        return invalid(
            "conflicting options: host type networking can't be used with links. \
                        This would result in undefined behavior",
        );
    }
    Ok(())
}

fn annotations(host: &HostConfig) -> Check {
    if host.annotations.iter().any(|(key, _)| key.is_empty()) {
        return invalid(
            "invalid Annotations: the empty string is not permitted as an annotation key",
        );
    }
    Ok(())
}

fn logging(host: &HostConfig) -> Check {
    const KNOWN: [&str; 10] = [
        "max-file",
        "max-size",
        "compress",
        "labels",
        "labels-regex",
        "env",
        "env-regex",
        "tag",
        "mode",
        "max-buffer-size",
    ];
    match host.log_config.driver.as_str() {
        "" | "json-file" => {}
        "none" => return Ok(()),
        other => {
            return invalid(format!(
                "error looking up logging plugin {other}: plugin \"{other}\" not found"
            ));
        }
    }
    match host
        .log_config
        .config
        .iter()
        .find(|(key, _)| !KNOWN.contains(&key.as_str()))
    {
        Some((key, _)) => invalid(format!("unknown log opt '{key}' for json-file log driver")),
        None => Ok(()),
    }
}

/// What the engine's configuration and Docker's habits fill in.
fn complete(host: &mut HostConfig, defaults: &ContainerDefaults, machine: &Machine) {
    if host.shm_size == 0 {
        host.shm_size = defaults.shm_size_bytes;
    }
    if host.ipc_mode.is_empty() {
        host.ipc_mode.clone_from(&defaults.ipc_mode);
    }
    if host.cgroupns_mode.is_empty() {
        let automatic = if machine.cgroup_v2 && !host.privileged {
            "private"
        } else {
            "host"
        };
        host.cgroupns_mode = defaults
            .cgroupns_mode
            .clone()
            .unwrap_or_else(|| automatic.to_owned());
    }
    if matches!(host.network_mode.as_str(), "" | "default") {
        host.network_mode = "bridge".to_owned();
    }
    if host.runtime.is_empty() {
        host.runtime.clone_from(&defaults.runtime);
    }
    if host.restart_policy.name.is_empty() {
        host.restart_policy.name = "no".to_owned();
    }
    if host.log_config.driver.is_empty() {
        host.log_config.driver.clone_from(&defaults.log_driver);
    }
    // The engine's options are for its own driver, whoever named it.
    if host.log_config.driver == defaults.log_driver {
        for (key, value) in &defaults.log_opts {
            host.log_config
                .config
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
    }
    for limit in &defaults.ulimits {
        if !host.ulimits.iter().any(|asked| asked.name == limit.name) {
            host.ulimits.push(limit.clone());
        }
    }
    if defaults.no_new_privileges
        && !host
            .security_opt
            .iter()
            .any(|option| option.starts_with("no-new-privileges"))
    {
        host.security_opt.push("no-new-privileges".to_owned());
    }
    let (masked, readonly) = security::default_paths();
    if host.privileged {
        // Inspect of a privileged container tells no paths.
    } else {
        if host.masked_paths.is_nil() {
            host.masked_paths = masked.into();
        }
        if host.readonly_paths.is_nil() {
            host.readonly_paths = readonly.into();
        }
    }
}

#[cfg(test)]
mod tests;
