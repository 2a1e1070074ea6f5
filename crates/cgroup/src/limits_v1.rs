//! Limits on version 1: which value goes into which file, in an order the kernel accepts.

use std::path::Path;

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxNetwork, LinuxResources, LinuxThrottleDevice,
};

use crate::limits_v2::rdma_lines;
use crate::{Cgroup, CgroupError, Layout, devices, file};

impl Cgroup {
    /// Sets the limits that `resources` names; what it leaves out (or has at 0, as runc reads it) stays.
    ///
    /// # Errors
    /// [`CgroupError::Write`] with the file and value that the kernel refused,
    /// [`CgroupError::NoController`], [`CgroupError::MemoryInUse`].
    pub fn apply(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        if self.is_v2() {
            self.apply_v2(resources)
        } else {
            self.apply_v1(resources)
        }
    }

    /// Sets the device rules, the defaults that every container needs behind them.
    ///
    /// # Errors
    /// [`CgroupError::Write`] on v1, [`CgroupError::DeviceFilter`] on v2.
    pub fn apply_devices(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        let rules = devices::rules(resources.devices().as_deref().unwrap_or_default());
        let Some(path) = self.directory("devices") else {
            return Err(CgroupError::NoController {
                controller: "devices",
            });
        };
        if self.is_v2() {
            crate::device_filter::install(path, &rules)
        } else {
            devices::write_v1(path, &rules)
        }
    }

    fn apply_v1(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        if let Some(cpu) = resources.cpu() {
            self.cpu_v1(cpu)?;
        }
        if let Some(memory) = resources.memory() {
            self.memory_v1(memory)?;
        }
        if let Some(limit) = resources
            .pids()
            .as_ref()
            .map(oci_spec::runtime::LinuxPids::limit)
            .filter(|n| *n != 0)
        {
            self.set("pids", "pids.max", &positive_or_max(limit))?;
        }
        if let Some(block) = resources.block_io() {
            self.block_io_v1(block)?;
        }
        for limit in resources.hugepage_limits().iter().flatten() {
            let name = format!("hugetlb.{}.limit_in_bytes", limit.page_size());
            self.set("hugetlb", &name, &limit.limit().to_string())?;
        }
        if let Some(network) = resources.network() {
            self.network_v1(network)?;
        }
        for line in rdma_lines(resources) {
            self.set("rdma", "rdma.max", &line)?;
        }
        if resources
            .unified()
            .as_ref()
            .is_some_and(|unified| !unified.is_empty())
        {
            return Err(CgroupError::NoController {
                controller: "unified",
            });
        }
        Ok(())
    }

    /// Writes one file of a controller that must be there.
    fn set(&self, controller: &'static str, name: &str, value: &str) -> Result<(), CgroupError> {
        let path = self
            .directory(controller)
            .ok_or(CgroupError::NoController { controller })?;
        file::write(&path.join(name), value)
    }

    fn cpu_v1(&self, cpu: &LinuxCpu) -> Result<(), CgroupError> {
        let set = |name: &str, value: Option<String>| match value {
            Some(value) => self.set("cpu", name, &value),
            None => Ok(()),
        };
        set(
            "cpu.shares",
            cpu.shares().filter(|n| *n != 0).map(|n| n.to_string()),
        )?;
        let period = cpu.period().filter(|n| *n != 0).map(|n| n.to_string());
        let quota = cpu.quota().filter(|n| *n != 0).map(|n| n.to_string());
        // The kernel checks one against the other: where the new period does not suit the old quota,
        // it suits the new one.
        let mut first = set("cpu.cfs_period_us", period.clone());
        if first.is_err() && quota.is_some() {
            set("cpu.cfs_quota_us", quota.clone())?;
            first = set("cpu.cfs_period_us", period);
        }
        first?;
        set("cpu.cfs_quota_us", quota)?;
        set("cpu.cfs_burst_us", cpu.burst().map(|n| n.to_string()))?;
        set(
            "cpu.rt_period_us",
            cpu.realtime_period()
                .filter(|n| *n != 0)
                .map(|n| n.to_string()),
        )?;
        set(
            "cpu.rt_runtime_us",
            cpu.realtime_runtime()
                .filter(|n| *n != 0)
                .map(|n| n.to_string()),
        )?;
        set("cpu.idle", cpu.idle().map(|n| n.to_string()))?;
        for (name, value) in [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                self.set("cpuset", name, value)?;
            }
        }
        Ok(())
    }

    fn memory_v1(&self, memory: &LinuxMemory) -> Result<(), CgroupError> {
        let limit = memory.limit().filter(|n| *n != 0);
        let swap = memory.swap().filter(|n| *n != 0);
        self.memory_and_swap_v1(limit, swap)?;
        if let Some(soft) = memory.reservation().filter(|n| *n != 0) {
            self.set("memory", "memory.soft_limit_in_bytes", &soft.to_string())?;
        }
        if let Some(tcp) = memory.kernel_tcp().filter(|n| *n != 0) {
            self.set("memory", "memory.kmem.tcp.limit_in_bytes", &tcp.to_string())?;
        }
        if memory.disable_oom_killer() == Some(true) {
            self.set("memory", "memory.oom_control", "1")?;
        }
        if let Some(swappiness) = memory.swappiness() {
            self.set("memory", "memory.swappiness", &swappiness.to_string())?;
        }
        Ok(())
    }

    /// Memory alone must never be above memory and swap together: which is set first depends on
    /// whether they grow.
    fn memory_and_swap_v1(&self, limit: Option<i64>, swap: Option<i64>) -> Result<(), CgroupError> {
        let memory = || limit.map_or(Ok(()), |limit| self.memory_limit_v1(limit));
        let both = || match swap {
            Some(swap) => self.set("memory", "memory.memsw.limit_in_bytes", &swap.to_string()),
            None => Ok(()),
        };
        let path = self.directory("memory").ok_or(CgroupError::NoController {
            controller: "memory",
        });
        let grows = match (limit, swap) {
            (Some(_), Some(-1)) => true,
            (Some(_), Some(swap)) => {
                let current =
                    file::number(&path?.join("memory.limit_in_bytes"))?.unwrap_or(u64::MAX);
                current < swap.cast_unsigned()
            }
            _ => false,
        };
        if grows {
            both()?;
            return memory();
        }
        memory()?;
        both()
    }

    fn memory_limit_v1(&self, limit: i64) -> Result<(), CgroupError> {
        let result = self.set("memory", "memory.limit_in_bytes", &limit.to_string());
        if let Err(CgroupError::Write { source, .. }) = &result
            && source.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error())
            && let Some(path) = self.directory("memory")
        {
            return Err(in_use(
                path,
                limit,
                ("memory.usage_in_bytes", "memory.max_usage_in_bytes"),
            ));
        }
        result
    }

    fn block_io_v1(&self, block: &LinuxBlockIo) -> Result<(), CgroupError> {
        // Kernels with the BFQ scheduler have the weights under its name.
        let bfq = self
            .directory("blkio")
            .is_some_and(|path| path.join("blkio.bfq.weight").exists());
        let prefix = if bfq { "blkio.bfq." } else { "blkio." };
        let set = |name: &str, value: String| self.set("blkio", &format!("{prefix}{name}"), &value);
        if let Some(weight) = block.weight().filter(|n| *n != 0) {
            set("weight", weight.to_string())?;
        }
        if let Some(weight) = block.leaf_weight().filter(|n| *n != 0) {
            set("leaf_weight", weight.to_string())?;
        }
        for device in block.weight_device().iter().flatten() {
            let number = format!("{}:{}", device.major(), device.minor());
            if let Some(weight) = device.weight().filter(|n| *n != 0) {
                set("weight_device", format!("{number} {weight}"))?;
            }
            if let Some(weight) = device.leaf_weight().filter(|n| *n != 0) {
                set("leaf_weight_device", format!("{number} {weight}"))?;
            }
        }
        for (name, devices) in throttles(block) {
            for device in devices.iter().flatten() {
                let line = format!("{}:{} {}", device.major(), device.minor(), device.rate());
                self.set("blkio", &format!("blkio.throttle.{name}_device"), &line)?;
            }
        }
        Ok(())
    }

    fn network_v1(&self, network: &LinuxNetwork) -> Result<(), CgroupError> {
        if let Some(class) = network.class_id().filter(|n| *n != 0) {
            self.set("net_cls", "net_cls.classid", &class.to_string())?;
        }
        for priority in network.priorities().iter().flatten() {
            let line = format!("{} {}", priority.name(), priority.priority());
            self.set("net_prio", "net_prio.ifpriomap", &line)?;
        }
        Ok(())
    }
}

type Throttle<'a> = (&'static str, &'a Option<Vec<LinuxThrottleDevice>>);

/// The four throttle lists under v1's names.
fn throttles(block: &LinuxBlockIo) -> [Throttle<'_>; 4] {
    [
        ("read_bps", block.throttle_read_bps_device()),
        ("write_bps", block.throttle_write_bps_device()),
        ("read_iops", block.throttle_read_iops_device()),
        ("write_iops", block.throttle_write_iops_device()),
    ]
}

/// The error for a limit below what is in use already.
pub(crate) fn in_use(path: &Path, limit: i64, files: (&str, &str)) -> CgroupError {
    let number = |name: &str| file::number(&path.join(name)).ok().flatten().unwrap_or(0);
    CgroupError::MemoryInUse {
        limit,
        usage: number(files.0),
        peak: number(files.1),
    }
}

/// A count, or `max` for none.
pub(crate) fn positive_or_max(limit: i64) -> String {
    if limit > 0 {
        limit.to_string()
    } else {
        "max".to_owned()
    }
}

/// Used by both versions to say whether the machine has this layout at all.
impl Layout {
    /// Whether a v1 hierarchy with this controller is mounted, or v2.
    pub fn has(&self, controller: &str) -> bool {
        match self {
            Self::V1(hierarchies) => hierarchies
                .iter()
                .any(|h| h.controllers.iter().any(|name| name == controller)),
            Self::V2 { .. } => true,
        }
    }
}
