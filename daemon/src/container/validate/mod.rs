//! Whether a create or update request can be meant: values and their combinations, with dockerd's
//! messages; and the defaults that inspect shows although nobody asked for them.
//!
//! Pure but for the number of processors, which comes in as [`Machine`].

use gantry_engine_api::{ContainerConfig, HostConfig, List, Resources};
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

/// The least memory a container can run in, in bytes.
const MEMORY_MIN: i64 = 6 << 20;

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

/// Limits and their combinations.
///
/// # Errors
/// [`ContainerError::Invalid`].
pub fn resources(host: &mut HostConfig, machine: &Machine) -> Result<Vec<String>, ContainerError> {
    let mut limits = host.resources();
    let mut warnings = Vec::new();
    memory(&limits)?;
    cpu(&limits, machine)?;
    if !(-1000..=1000).contains(&host.oom_score_adj) {
        return invalid(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            host.oom_score_adj
        ));
    }
    if host.shm_size < 0 {
        return invalid("SHM size can not be less than 0");
    }
    let weighs = limits.blkio_weight != 0 || !limits.blkio_weight_device.is_empty();
    if weighs && !machine.blkio_weight {
        warnings.push(
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight \
             discarded."
                .to_owned(),
        );
        limits.blkio_weight = 0;
        limits.blkio_weight_device = List::empty();
    } else if limits.blkio_weight != 0 && !(10..=1000).contains(&limits.blkio_weight) {
        return invalid("Range of blkio weight is from 10 to 1000");
    }
    if limits.oom_kill_disable == Some(true) && limits.memory == 0 {
        warnings.push(
            "OOM killer is disabled for the container, but no memory limit is set, this can result \
             in the system running out of resources."
                .to_owned(),
        );
    }
    if limits.kernel_memory != 0 {
        warnings.push("the kernel has no limit on kernel memory any more. Discarded.".to_owned());
        limits.kernel_memory = 0;
    }
    if machine.cgroup_v2 {
        discard_on_v2(&mut limits, &mut warnings);
    }
    // Twice the memory, as the kernel would do.
    if limits.memory > 0 && limits.memory_swap == 0 {
        limits.memory_swap = limits.memory.saturating_mul(2);
    }
    host.set_resources(limits);
    Ok(warnings)
}

/// Limits that control group v2 does not have.
fn discard_on_v2(limits: &mut Resources, warnings: &mut Vec<String>) {
    if limits
        .memory_swappiness
        .take()
        .is_some_and(|value| value != -1)
    {
        warnings.push(
            "Your kernel does not support memory swappiness capabilities or the cgroup is not \
             mounted. Memory swappiness discarded."
                .to_owned(),
        );
    }
    if limits.oom_kill_disable.take() == Some(true) {
        warnings.push(
            "Your kernel does not support OomKillDisable. OomKillDisable discarded.".to_owned(),
        );
    }
}

fn memory(limits: &Resources) -> Check {
    if limits.memory != 0 && limits.memory < MEMORY_MIN {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    if limits.memory > 0 && limits.memory_swap > 0 && limits.memory_swap < limits.memory {
        return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if limits.memory == 0 && limits.memory_swap > 0 {
        return invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        );
    }
    if let Some(value) = limits.memory_swappiness
        && !(-1..=100).contains(&value)
    {
        return invalid(format!(
            "Invalid value: {value}, valid memory swappiness range is 0-100"
        ));
    }
    if limits.memory_reservation > 0 && limits.memory_reservation < MEMORY_MIN {
        return invalid("Minimum memory reservation allowed is 6MB");
    }
    if limits.memory > 0 && limits.memory_reservation > limits.memory {
        return invalid(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        );
    }
    Ok(())
}

fn cpu(limits: &Resources, machine: &Machine) -> Check {
    if limits.nano_cpus != 0 {
        if limits.cpu_period != 0 {
            return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
        }
        if limits.cpu_quota != 0 {
            return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
        }
        let most = i64::from(machine.cpus) * 1_000_000_000;
        if !(10_000_000..=most).contains(&limits.nano_cpus) {
            return invalid(format!(
                "range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available",
                machine.cpus
            ));
        }
    }
    if limits.cpu_period != 0 && !(1000..=1_000_000).contains(&limits.cpu_period) {
        return invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if limits.cpu_quota > 0 && limits.cpu_quota < 1000 {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    set_of_cpus(&limits.cpuset_cpus, "cpus", machine.cpus)?;
    set_of_cpus(&limits.cpuset_mems, "mems", u32::MAX)
}

/// `0-3,5`.
fn set_of_cpus(text: &str, what: &str, available: u32) -> Check {
    let malformed = || {
        ContainerError::Invalid(format!(
            "Invalid value {text} for cpuset {what}: invalid format: {text}"
        ))
    };
    for range in text.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let first: u32 = first.parse().map_err(|_| malformed())?;
        let last: u32 = last.parse().map_err(|_| malformed())?;
        if last < first {
            return Err(malformed());
        }
        if last >= available {
            return invalid(format!(
                "Requested CPUs are not available - requested {text}, available: 0-{}",
                available - 1
            ));
        }
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
    if let Some(link) = host.links.first() {
        let name = link.split(':').next().unwrap_or_default();
        return invalid(format!(
            "could not get container for {name}: links are not built yet in Gantry"
        ));
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
