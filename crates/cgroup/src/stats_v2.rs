//! Counters of version 2.

use std::path::Path;

use crate::io_stats;
use crate::stats::{CpuStats, HugetlbStats, MemoryStats, PidsStats, Stats, Throttling};
use crate::{CgroupError, file};

/// All counters.
pub(crate) fn read(path: &Path) -> Result<Stats, CgroupError> {
    Ok(Stats {
        cpu: cpu(path)?,
        memory: memory(path)?,
        pids: PidsStats {
            current: file::number(&path.join("pids.current"))?.unwrap_or(0),
            limit: file::number(&path.join("pids.max"))?.filter(|limit| *limit != 0),
        },
        io: io_stats::read_v2(path)?,
        hugetlb: hugetlb(path)?,
    })
}

/// `oom_kill` of `memory.events`, which counts the groups below too.
pub(crate) fn oom_kills(path: &Path) -> Result<u64, CgroupError> {
    Ok(file::value(
        &file::table(&path.join("memory.events"))?,
        "oom_kill",
    ))
}

fn cpu(path: &Path) -> Result<CpuStats, CgroupError> {
    let table = file::table(&path.join("cpu.stat"))?;
    let ns = |key| file::value(&table, key).saturating_mul(1000);
    Ok(CpuStats {
        usage_ns: ns("usage_usec"),
        user_ns: ns("user_usec"),
        system_ns: ns("system_usec"),
        per_cpu_ns: Vec::new(),
        throttling: Throttling {
            periods: file::value(&table, "nr_periods"),
            throttled_periods: file::value(&table, "nr_throttled"),
            throttled_ns: ns("throttled_usec"),
        },
    })
}

fn memory(path: &Path) -> Result<MemoryStats, CgroupError> {
    let number = |name: &str| file::number(&path.join(name)).map(|n| n.unwrap_or(0));
    let limit = |name: &str| file::number(&path.join(name)).map(|n| n.filter(|n| *n != 0));
    let details = file::table(&path.join("memory.stat"))?;
    let events = file::table(&path.join("memory.events"))?;
    Ok(MemoryStats {
        usage_bytes: number("memory.current")?,
        peak_bytes: number("memory.peak")?,
        limit_bytes: limit("memory.max")?,
        fail_count: file::value(&events, "max"),
        swap_usage_bytes: number("memory.swap.current")?,
        swap_limit_bytes: limit("memory.swap.max")?,
        kernel_usage_bytes: file::value(&details, "kernel"),
        oom_kills: file::value(&events, "oom_kill"),
        details,
    })
}

fn hugetlb(path: &Path) -> Result<Vec<HugetlbStats>, CgroupError> {
    let mut all = Vec::new();
    for page_size in io_stats::page_sizes(path, ".max") {
        let current = path.join(format!("hugetlb.{page_size}.current"));
        let events = file::table(&path.join(format!("hugetlb.{page_size}.events")))?;
        all.push(HugetlbStats {
            usage_bytes: file::number(&current)?.unwrap_or(0),
            peak_bytes: 0,
            fail_count: file::value(&events, "max"),
            page_size,
        });
    }
    Ok(all)
}
