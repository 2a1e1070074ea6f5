//! Counters of version 1.

use std::path::Path;

use crate::group::V1Directory;
use crate::io_stats;
use crate::stats::{CpuStats, HugetlbStats, IoStats, MemoryStats, PidsStats, Stats, Throttling};
use crate::{CgroupError, file};

/// Limits at or above this are "none": the kernel rounds `i64::MAX` down to whole pages.
const NO_LIMIT: u64 = 0x7fff_ffff_ffff_0000;
/// `USER_HZ`: ticks of `cpuacct.stat`, the same on all architectures the runtime is built for.
const NS_PER_TICK: u64 = 10_000_000;

/// All counters.
pub(crate) fn read(directories: &[V1Directory]) -> Result<Stats, CgroupError> {
    let at = |controller| directory(directories, controller);
    Ok(Stats {
        cpu: cpu(at("cpuacct"), at("cpu"))?,
        memory: at("memory").map_or_else(|| Ok(MemoryStats::default()), memory)?,
        pids: at("pids").map_or_else(|| Ok(PidsStats::default()), pids)?,
        io: at("blkio").map_or_else(|| Ok(IoStats::default()), io_stats::read_v1)?,
        hugetlb: at("hugetlb").map_or_else(|| Ok(Vec::new()), hugetlb)?,
    })
}

/// `oom_kill` of `memory.oom_control`.
pub(crate) fn oom_kills(directories: &[V1Directory]) -> Result<u64, CgroupError> {
    let Some(memory) = directory(directories, "memory") else {
        return Ok(0);
    };
    Ok(file::value(
        &file::table(&memory.join("memory.oom_control"))?,
        "oom_kill",
    ))
}

fn directory<'a>(directories: &'a [V1Directory], controller: &str) -> Option<&'a Path> {
    let found = directories
        .iter()
        .find(|d| d.controllers.iter().any(|name| name == controller))?;
    Some(&found.path)
}

fn cpu(cpuacct: Option<&Path>, cpu: Option<&Path>) -> Result<CpuStats, CgroupError> {
    let mut stats = CpuStats::default();
    if let Some(path) = cpuacct {
        stats.usage_ns = file::number(&path.join("cpuacct.usage"))?.unwrap_or(0);
        let per_cpu = file::read_if_there(&path.join("cpuacct.usage_percpu"))?.unwrap_or_default();
        stats.per_cpu_ns = per_cpu
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        let ticks = file::table(&path.join("cpuacct.stat"))?;
        stats.user_ns = file::value(&ticks, "user").saturating_mul(NS_PER_TICK);
        stats.system_ns = file::value(&ticks, "system").saturating_mul(NS_PER_TICK);
    }
    if let Some(path) = cpu {
        let table = file::table(&path.join("cpu.stat"))?;
        stats.throttling = Throttling {
            periods: file::value(&table, "nr_periods"),
            throttled_periods: file::value(&table, "nr_throttled"),
            throttled_ns: file::value(&table, "throttled_time"),
        };
    }
    Ok(stats)
}

fn memory(path: &Path) -> Result<MemoryStats, CgroupError> {
    let number = |name: &str| file::number(&path.join(name)).map(|n| n.unwrap_or(0));
    let limit = |name: &str| number(name).map(|n| (n != 0 && n < NO_LIMIT).then_some(n));
    Ok(MemoryStats {
        usage_bytes: number("memory.usage_in_bytes")?,
        peak_bytes: number("memory.max_usage_in_bytes")?,
        limit_bytes: limit("memory.limit_in_bytes")?,
        fail_count: number("memory.failcnt")?,
        swap_usage_bytes: number("memory.memsw.usage_in_bytes")?,
        swap_limit_bytes: limit("memory.memsw.limit_in_bytes")?,
        kernel_usage_bytes: number("memory.kmem.usage_in_bytes")?,
        oom_kills: file::value(&file::table(&path.join("memory.oom_control"))?, "oom_kill"),
        details: file::table(&path.join("memory.stat"))?,
    })
}

fn pids(path: &Path) -> Result<PidsStats, CgroupError> {
    Ok(PidsStats {
        current: file::number(&path.join("pids.current"))?.unwrap_or(0),
        limit: file::number(&path.join("pids.max"))?,
    })
}

fn hugetlb(path: &Path) -> Result<Vec<HugetlbStats>, CgroupError> {
    let mut all = Vec::new();
    for page_size in io_stats::page_sizes(path, ".limit_in_bytes") {
        let number = |what: &str| {
            file::number(&path.join(format!("hugetlb.{page_size}.{what}"))).map(|n| n.unwrap_or(0))
        };
        all.push(HugetlbStats {
            usage_bytes: number("usage_in_bytes")?,
            peak_bytes: number("max_usage_in_bytes")?,
            fail_count: number("failcnt")?,
            page_size,
        });
    }
    Ok(all)
}
