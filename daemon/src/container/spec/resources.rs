//! Control group limits, at create and for `update`.

use std::{fs, os::unix::fs::MetadataExt};

use gantry_engine_api::{HostConfig, Resources as Asked, host_config::ThrottleDevice as AskedRate};

use super::{
    Surroundings, devices,
    oci::{BlockIo, Cpu, Memory, Pids, Resources, ThrottleDevice, WeightDevice},
};

/// The period that `--cpus` is turned into, in microseconds.
const NANO_CPU_PERIOD_US: u64 = 100_000;

/// All limits of a container.
pub(super) fn of(host: &HostConfig, around: &Surroundings) -> Resources {
    let mut resources = limits(&host.resources());
    resources.devices = devices::rules(host.privileged, &around.devices);
    let memory = resources.memory.get_or_insert_default();
    memory.disable_oom_killer = Some(host.oom_kill_disable.unwrap_or_default());
    resources
}

/// The limits that may also be changed while the container runs.
#[must_use]
pub fn limits(asked: &Asked) -> Resources {
    Resources {
        devices: Vec::new(),
        memory: memory(asked),
        cpu: cpu(asked),
        pids: pids(asked),
        block_io: Some(block_io(asked)).filter(|io| *io != BlockIo::default()),
    }
}

fn memory(asked: &Asked) -> Option<Memory> {
    let set = |value: i64| (value != 0).then_some(value);
    let memory = Memory {
        limit: set(asked.memory),
        reservation: set(asked.memory_reservation),
        swap: set(asked.memory_swap),
        // −1 stands for the kernel's default.
        swappiness: asked
            .memory_swappiness
            .and_then(|value| u64::try_from(value).ok()),
        disable_oom_killer: None,
    };
    (memory != Memory::default()).then_some(memory)
}

fn cpu(asked: &Asked) -> Option<Cpu> {
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value != 0);
    let mut cpu = Cpu {
        shares: positive(asked.cpu_shares),
        quota: (asked.cpu_quota != 0).then_some(asked.cpu_quota),
        period: positive(asked.cpu_period),
        realtime_runtime: (asked.cpu_realtime_runtime != 0).then_some(asked.cpu_realtime_runtime),
        realtime_period: positive(asked.cpu_realtime_period),
        cpus: asked.cpuset_cpus.clone(),
        mems: asked.cpuset_mems.clone(),
    };
    if asked.nano_cpus > 0 {
        cpu.period = Some(NANO_CPU_PERIOD_US);
        cpu.quota = Some(asked.nano_cpus / 10_000);
    }
    (cpu != Cpu::default()).then_some(cpu)
}

fn pids(asked: &Asked) -> Option<Pids> {
    match asked.pids_limit {
        None | Some(0) => None,
        Some(limit) if limit < 0 => Some(Pids { limit: -1 }),
        Some(limit) => Some(Pids { limit }),
    }
}

fn block_io(asked: &Asked) -> BlockIo {
    BlockIo {
        weight: (asked.blkio_weight != 0).then_some(asked.blkio_weight),
        weight_device: asked
            .blkio_weight_device
            .iter()
            .filter_map(|device| {
                let (major, minor) = numbers(&device.path)?;
                Some(WeightDevice {
                    major,
                    minor,
                    weight: device.weight,
                })
            })
            .collect(),
        throttle_read_bps_device: rates(&asked.blkio_device_read_bps),
        throttle_write_bps_device: rates(&asked.blkio_device_write_bps),
        throttle_read_iops_device: rates(&asked.blkio_device_read_iops),
        throttle_write_iops_device: rates(&asked.blkio_device_write_iops),
    }
}

/// Devices that do not exist were refused at create; one that has gone since has no limit.
fn rates(asked: &[AskedRate]) -> Vec<ThrottleDevice> {
    asked
        .iter()
        .filter_map(|device| {
            let (major, minor) = numbers(&device.path)?;
            Some(ThrottleDevice {
                major,
                minor,
                rate: device.rate,
            })
        })
        .collect()
}

fn numbers(path: &str) -> Option<(i64, i64)> {
    let device = fs::metadata(path).ok()?.rdev();
    Some((
        i64::from(rustix::fs::major(device)),
        i64::from(rustix::fs::minor(device)),
    ))
}
