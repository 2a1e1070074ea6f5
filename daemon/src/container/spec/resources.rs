//! Control group limits, at create and for `update`.

use std::{fs, os::unix::fs::MetadataExt};

use gantry_engine_api::{
    HostConfig, Resources as Asked,
    host_config::{ThrottleDevice as AskedRate, WeightDevice as AskedWeight},
};

use super::{
    Surroundings, devices,
    oci::{BlockIo, Cpu, Memory, Pids, Resources, ThrottleDevice, WeightDevice},
};

/// The period that `--cpus` is turned into, in microseconds.
const NANO_CPU_PERIOD_US: u64 = 100_000;

/// All limits of a container.
pub(super) fn of(host: &HostConfig, around: &Surroundings) -> Result<Resources, NoDevice> {
    let mut resources = limits(&host.resources())?;
    resources.devices = devices::rules(host.privileged, &around.devices);
    let memory = resources.memory.get_or_insert_default();
    memory.disable_oom_killer = Some(host.oom_kill_disable.unwrap_or_default());
    Ok(resources)
}

/// A device whose rate or weight is set and that is not there; dockerd's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stat {0}: no such file or directory")]
pub struct NoDevice(String);

/// The limits that may also be changed while the container runs.
///
/// # Errors
/// [`NoDevice`].
pub fn limits(asked: &Asked) -> Result<Resources, NoDevice> {
    Ok(Resources {
        devices: Vec::new(),
        memory: memory(asked),
        cpu: cpu(asked),
        pids: pids(asked),
        block_io: Some(block_io(asked)?).filter(|io| *io != BlockIo::default()),
    })
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

fn block_io(asked: &Asked) -> Result<BlockIo, NoDevice> {
    let weight = |device: &AskedWeight| {
        let (major, minor) = numbers(&device.path)?;
        Ok(WeightDevice {
            major,
            minor,
            weight: device.weight,
        })
    };
    let weights = asked.blkio_weight_device.iter().map(weight);
    Ok(BlockIo {
        weight: (asked.blkio_weight != 0).then_some(asked.blkio_weight),
        weight_device: weights.collect::<Result<_, _>>()?,
        throttle_read_bps_device: rates(&asked.blkio_device_read_bps)?,
        throttle_write_bps_device: rates(&asked.blkio_device_write_bps)?,
        throttle_read_iops_device: rates(&asked.blkio_device_read_iops)?,
        throttle_write_iops_device: rates(&asked.blkio_device_write_iops)?,
    })
}

fn rates(asked: &[AskedRate]) -> Result<Vec<ThrottleDevice>, NoDevice> {
    let rate = |device: &AskedRate| {
        let (major, minor) = numbers(&device.path)?;
        Ok(ThrottleDevice {
            major,
            minor,
            rate: device.rate,
        })
    };
    asked.iter().map(rate).collect()
}

fn numbers(path: &str) -> Result<(i64, i64), NoDevice> {
    let device = fs::metadata(path).map_err(|_| NoDevice(path.to_owned()))?;
    let device = device.rdev();
    Ok((
        i64::from(rustix::fs::major(device)),
        i64::from(rustix::fs::minor(device)),
    ))
}
