//! Limits of control groups: values and their combinations.

use gantry_engine_api::{HostConfig, List, Resources};

use super::{Check, Machine, invalid};
use crate::container::error::ContainerError;

/// The least memory a container can run in, in bytes.
const MEMORY_MIN: i64 = 6 << 20;

/// Limits and their combinations.
///
/// # Errors
/// [`ContainerError::Invalid`].
pub fn resources(host: &mut HostConfig, machine: &Machine) -> Result<Vec<String>, ContainerError> {
    let asked = host.resources();
    if asked.memory == 0 && asked.memory_swap > 0 {
        return invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        );
    }
    if !(-1000..=1000).contains(&host.oom_score_adj) {
        return invalid(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            host.oom_score_adj
        ));
    }
    if host.shm_size < 0 {
        return invalid("SHM size can not be less than 0");
    }
    let (mut limits, warnings) = checked(asked, machine)?;
    // Twice the memory, as the kernel would do.
    if limits.memory > 0 && limits.memory_swap == 0 {
        limits.memory_swap = limits.memory.saturating_mul(2);
    }
    host.set_resources(limits);
    Ok(warnings)
}

/// Limits of an update, which may lack what the container has already.
///
/// # Errors
/// [`ContainerError::Invalid`].
pub fn update(
    asked: Resources,
    machine: &Machine,
) -> Result<(Resources, Vec<String>), ContainerError> {
    checked(asked, machine)
}

/// What create and update have in common; what has no effect is taken out with a warning.
fn checked(
    mut limits: Resources,
    machine: &Machine,
) -> Result<(Resources, Vec<String>), ContainerError> {
    let mut warnings = Vec::new();
    memory(&limits)?;
    cpu(&limits, machine)?;
    if !machine.blkio_weight {
        discard_weights(&mut limits, &mut warnings);
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
    // "No limit" and "the kernel's default" are told as nothing.
    limits.pids_limit = limits.pids_limit.filter(|limit| *limit != 0);
    limits.memory_swappiness = limits.memory_swappiness.filter(|value| *value != -1);
    if machine.cgroup_v2 {
        discard_on_v2(&mut limits, &mut warnings);
    }
    Ok((limits, warnings))
}

/// Block I/O cannot be weighed by this kernel.
fn discard_weights(limits: &mut Resources, warnings: &mut Vec<String>) {
    if limits.blkio_weight != 0 {
        limits.blkio_weight = 0;
        warnings.push(
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight \
             discarded."
                .to_owned(),
        );
    }
    if !limits.blkio_weight_device.is_empty() {
        limits.blkio_weight_device = List::empty();
        warnings.push(
            "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. \
             Weight-device discarded."
                .to_owned(),
        );
    }
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
    if limits.cpu_shares < 0 {
        // A negative number is a huge one to the kernel; these are runc's words.
        return Err(ContainerError::InvalidInternal(
            "the maximum allowed cpu-shares is 262144".to_owned(),
        ));
    }
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
