//! Limits on version 2: the specification speaks v1, so most values are converted.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

use crate::limits_v1::{in_use, positive_or_max};
use crate::{Cgroup, CgroupError, file};

const CONTROLLER: &str = "cgroup2";

impl Cgroup {
    pub(crate) fn apply_v2(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        if let Some(cpu) = resources.cpu() {
            self.cpu_v2(cpu)?;
        }
        if let Some(memory) = resources.memory() {
            self.memory_v2(memory)?;
        }
        if let Some(limit) = resources
            .pids()
            .as_ref()
            .map(oci_spec::runtime::LinuxPids::limit)
            .filter(|n| *n != 0)
        {
            self.write_v2("pids.max", &positive_or_max(limit))?;
        }
        if let Some(block) = resources.block_io() {
            self.io_v2(block)?;
        }
        for limit in resources.hugepage_limits().iter().flatten() {
            let value = limit.limit().to_string();
            self.write_v2(&format!("hugetlb.{}.max", limit.page_size()), &value)?;
            let reserved = format!("hugetlb.{}.rsvd.max", limit.page_size());
            if self
                .directory(CONTROLLER)
                .is_some_and(|path| path.join(&reserved).exists())
            {
                self.write_v2(&reserved, &value)?;
            }
        }
        for line in rdma_lines(resources) {
            self.write_v2("rdma.max", &line)?;
        }
        for (key, value) in resources.unified().iter().flatten() {
            if key.contains('/') || key.is_empty() || key == ".." {
                return Err(CgroupError::BadUnifiedKey { key: key.clone() });
            }
            // Files such as io.max take one line at a time.
            for line in value.lines() {
                self.write_v2(key, line)?;
            }
        }
        Ok(())
    }

    fn write_v2(&self, name: &str, value: &str) -> Result<(), CgroupError> {
        let path = self.directory(CONTROLLER).ok_or(CgroupError::NotMounted)?;
        file::write(&path.join(name), value)
    }

    fn cpu_v2(&self, cpu: &LinuxCpu) -> Result<(), CgroupError> {
        if let Some(idle) = cpu.idle() {
            self.write_v2("cpu.idle", &idle.to_string())?;
        }
        if let Some(shares) = cpu.shares().filter(|n| *n != 0 && cpu.idle() != Some(1)) {
            self.write_v2("cpu.weight", &weight_of_shares(shares).to_string())?;
        }
        // A burst above the quota is refused: which goes first depends on what is there now.
        let burst = cpu.burst().map(|n| n.to_string());
        let early = burst
            .as_ref()
            .map(|burst| self.write_v2("cpu.max.burst", burst));
        let quota = cpu.quota().filter(|n| *n != 0);
        let period = cpu.period().filter(|n| *n != 0);
        if quota.is_some() || period.is_some() {
            let quota = quota
                .filter(|n| *n > 0)
                .map_or_else(|| "max".to_owned(), |n| n.to_string());
            let period = period.unwrap_or(100_000);
            self.write_v2("cpu.max", &format!("{quota} {period}"))?;
        }
        if let (Some(Err(_)), Some(burst)) = (early, burst) {
            self.write_v2("cpu.max.burst", &burst)?;
        }
        for (name, value) in [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                self.write_v2(name, value)?;
            }
        }
        Ok(())
    }

    fn memory_v2(&self, memory: &LinuxMemory) -> Result<(), CgroupError> {
        let limit = memory.limit().filter(|n| *n != 0);
        if let Some(limit) = limit.filter(|_| memory.check_before_update() == Some(true)) {
            self.refuse_below_usage(limit)?;
        }
        if let Some(swap) = swap_alone(limit, memory.swap().filter(|n| *n != 0)) {
            self.write_v2("memory.swap.max", &swap)?;
        }
        if let Some(limit) = limit {
            self.write_v2("memory.max", &positive_or_max(limit))?;
        }
        if let Some(soft) = memory.reservation().filter(|n| *n != 0) {
            self.write_v2("memory.low", &positive_or_max(soft))?;
        }
        Ok(())
    }

    fn refuse_below_usage(&self, limit: i64) -> Result<(), CgroupError> {
        let path = self.directory(CONTROLLER).ok_or(CgroupError::NotMounted)?;
        let usage = file::number(&path.join("memory.current"))?.unwrap_or(0);
        if u64::try_from(limit).is_ok_and(|limit| limit <= usage) {
            return Err(in_use(path, limit, ("memory.current", "memory.peak")));
        }
        Ok(())
    }

    fn io_v2(&self, block: &LinuxBlockIo) -> Result<(), CgroupError> {
        let bfq = self
            .directory(CONTROLLER)
            .is_some_and(|path| path.join("io.bfq.weight").exists());
        let weight = |weight: u16| {
            if bfq {
                u64::from(weight)
            } else {
                weight_of_blkio(weight)
            }
        };
        let file = if bfq { "io.bfq.weight" } else { "io.weight" };
        if let Some(value) = block.weight().filter(|n| *n != 0) {
            self.write_v2(file, &weight(value).to_string())?;
        }
        for device in block.weight_device().iter().flatten() {
            if let Some(value) = device.weight().filter(|n| *n != 0) {
                let line = format!("{}:{} {}", device.major(), device.minor(), weight(value));
                self.write_v2(file, &line)?;
            }
        }
        for (key, devices) in throttles(block) {
            for device in devices.iter().flatten() {
                let line = format!(
                    "{}:{} {key}={}",
                    device.major(),
                    device.minor(),
                    device.rate()
                );
                self.write_v2("io.max", &line)?;
            }
        }
        Ok(())
    }
}

type Throttle<'a> = (&'static str, &'a Option<Vec<LinuxThrottleDevice>>);

/// The four throttle lists under v2's keys.
fn throttles(block: &LinuxBlockIo) -> [Throttle<'_>; 4] {
    [
        ("rbps", block.throttle_read_bps_device()),
        ("wbps", block.throttle_write_bps_device()),
        ("riops", block.throttle_read_iops_device()),
        ("wiops", block.throttle_write_iops_device()),
    ]
}

/// `cpu.shares` (2 to 262144, usually 1024) onto `cpu.weight` (1 to 10000, usually 100), by the curve
/// through these three points that runc has used since 1.3.2 and crun since 1.23.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the argument is below 2^18 and the result between 1 and 10000"
)]
pub(crate) fn weight_of_shares(shares: u64) -> u64 {
    if shares <= 2 {
        return 1;
    }
    if shares >= 262_144 {
        return 10_000;
    }
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    10_f64.powf(exponent).ceil() as u64
}

/// `blkio.weight` (10 to 1000) onto `io.weight` (1 to 10000).
fn weight_of_blkio(weight: u16) -> u64 {
    let weight = u64::from(weight.clamp(10, 1000));
    1 + (weight - 10) * 9_999 / 990
}

/// v1 counts memory and swap together, v2 swap alone.
pub(crate) fn swap_alone(limit: Option<i64>, both: Option<i64>) -> Option<String> {
    match (limit, both?) {
        (_, -1) => Some("max".to_owned()),
        (Some(limit), both) if limit > 0 && both >= limit => Some((both - limit).to_string()),
        _ => None,
    }
}

/// `rdma.max` lines, the same on both versions.
pub(crate) fn rdma_lines(resources: &LinuxResources) -> Vec<String> {
    let limit = |value: Option<u32>| value.map_or_else(|| "max".to_owned(), |n| n.to_string());
    resources
        .rdma()
        .iter()
        .flatten()
        .map(|(device, rdma)| {
            let (handles, objects) = (limit(rdma.hca_handles()), limit(rdma.hca_objects()));
            format!("{device} hca_handle={handles} hca_object={objects}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_weights() {
        for (shares, weight) in [(2, 1), (1024, 100), (2000, 170), (262_144, 10_000), (1, 1)] {
            assert_eq!(weight_of_shares(shares), weight);
        }
        assert_eq!(weight_of_blkio(10), 1);
        assert_eq!(weight_of_blkio(1000), 10_000);
    }

    #[test]
    fn swap_is_counted_alone() {
        assert_eq!(swap_alone(Some(100), Some(150)).as_deref(), Some("50"));
        assert_eq!(swap_alone(Some(100), Some(-1)).as_deref(), Some("max"));
        assert_eq!(swap_alone(Some(100), Some(100)).as_deref(), Some("0"));
        assert_eq!(swap_alone(Some(100), None), None);
    }
}
