//! A container's usage as containerd's clients read it: `io.containerd.cgroups.v1.Metrics` or v2.

use gantry_cgroup::{IoRecord, Stats};
use gantry_proto::convert::any;
use gantry_proto::io::containerd::cgroups::{v1, v2};
use prost_types::Any;

/// What v1 files say where there is no limit: the largest number of whole pages.
const NO_LIMIT_V1: u64 = 9_223_372_036_854_771_712;
const NANOS_PER_MICRO: u64 = 1000;

pub(super) fn pack(is_v2: bool, stats: &Stats) -> Any {
    if is_v2 {
        any::pack(&of_v2(stats))
    } else {
        any::pack(&of_v1(stats))
    }
}

fn of_v1(stats: &Stats) -> v1::Metrics {
    let cpu = &stats.cpu;
    v1::Metrics {
        hugetlb: stats.hugetlb.iter().map(hugetlb_v1).collect(),
        pids: Some(v1::PidsStat {
            current: stats.pids.current,
            limit: stats.pids.limit.unwrap_or(0),
        }),
        cpu: Some(v1::CpuStat {
            usage: Some(v1::CpuUsage {
                total: cpu.usage_ns,
                kernel: cpu.system_ns,
                user: cpu.user_ns,
                per_cpu: cpu.per_cpu_ns.clone(),
            }),
            throttling: Some(v1::Throttle {
                periods: cpu.throttling.periods,
                throttled_periods: cpu.throttling.throttled_periods,
                throttled_time: cpu.throttling.throttled_ns,
            }),
        }),
        memory: Some(memory_v1(stats)),
        blkio: Some(v1::BlkIoStat {
            io_service_bytes_recursive: stats.io.service_bytes.iter().map(io_v1).collect(),
            io_serviced_recursive: stats.io.serviced.iter().map(io_v1).collect(),
            ..v1::BlkIoStat::default()
        }),
        memory_oom_control: Some(v1::MemoryOomControl {
            oom_kill: stats.memory.oom_kills,
            ..v1::MemoryOomControl::default()
        }),
        ..v1::Metrics::default()
    }
}

fn hugetlb_v1(huge: &gantry_cgroup::HugetlbStats) -> v1::HugetlbStat {
    v1::HugetlbStat {
        usage: huge.usage_bytes,
        max: huge.peak_bytes,
        failcnt: huge.fail_count,
        pagesize: huge.page_size.clone(),
    }
}

fn io_v1(record: &IoRecord) -> v1::BlkIoEntry {
    v1::BlkIoEntry {
        op: record.operation.name().to_owned(),
        device: String::new(),
        major: record.major,
        minor: record.minor,
        value: record.value,
    }
}

fn memory_v1(stats: &Stats) -> v1::MemoryStat {
    let memory = &stats.memory;
    let detail = |key| memory.detail(key);
    v1::MemoryStat {
        cache: detail("cache"),
        rss: detail("rss"),
        rss_huge: detail("rss_huge"),
        mapped_file: detail("mapped_file"),
        dirty: detail("dirty"),
        writeback: detail("writeback"),
        pg_pg_in: detail("pgpgin"),
        pg_pg_out: detail("pgpgout"),
        pg_fault: detail("pgfault"),
        pg_maj_fault: detail("pgmajfault"),
        inactive_anon: detail("inactive_anon"),
        active_anon: detail("active_anon"),
        inactive_file: detail("inactive_file"),
        active_file: detail("active_file"),
        unevictable: detail("unevictable"),
        hierarchical_memory_limit: detail("hierarchical_memory_limit"),
        hierarchical_swap_limit: detail("hierarchical_memsw_limit"),
        total_cache: detail("total_cache"),
        total_rss: detail("total_rss"),
        total_rss_huge: detail("total_rss_huge"),
        total_mapped_file: detail("total_mapped_file"),
        total_dirty: detail("total_dirty"),
        total_writeback: detail("total_writeback"),
        total_pg_pg_in: detail("total_pgpgin"),
        total_pg_pg_out: detail("total_pgpgout"),
        total_pg_fault: detail("total_pgfault"),
        total_pg_maj_fault: detail("total_pgmajfault"),
        total_inactive_anon: detail("total_inactive_anon"),
        total_active_anon: detail("total_active_anon"),
        total_inactive_file: detail("total_inactive_file"),
        total_active_file: detail("total_active_file"),
        total_unevictable: detail("total_unevictable"),
        usage: Some(v1::MemoryEntry {
            limit: memory.limit_bytes.unwrap_or(NO_LIMIT_V1),
            usage: memory.usage_bytes,
            max: memory.peak_bytes,
            failcnt: memory.fail_count,
        }),
        swap: Some(v1::MemoryEntry {
            limit: memory.swap_limit_bytes.unwrap_or(NO_LIMIT_V1),
            usage: memory.swap_usage_bytes,
            ..v1::MemoryEntry::default()
        }),
        kernel: Some(v1::MemoryEntry {
            limit: NO_LIMIT_V1,
            usage: memory.kernel_usage_bytes,
            ..v1::MemoryEntry::default()
        }),
        ..v1::MemoryStat::default()
    }
}

fn of_v2(stats: &Stats) -> v2::Metrics {
    let cpu = &stats.cpu;
    v2::Metrics {
        pids: Some(v2::PidsStat {
            current: stats.pids.current,
            limit: stats.pids.limit.unwrap_or(0),
        }),
        cpu: Some(v2::CpuStat {
            usage_usec: cpu.usage_ns / NANOS_PER_MICRO,
            user_usec: cpu.user_ns / NANOS_PER_MICRO,
            system_usec: cpu.system_ns / NANOS_PER_MICRO,
            nr_periods: cpu.throttling.periods,
            nr_throttled: cpu.throttling.throttled_periods,
            throttled_usec: cpu.throttling.throttled_ns / NANOS_PER_MICRO,
        }),
        memory: Some(memory_v2(stats)),
        io: Some(v2::IoStat {
            usage: io_v2(stats),
        }),
        memory_events: Some(v2::MemoryEvents {
            oom_kill: stats.memory.oom_kills,
            max: stats.memory.fail_count,
            ..v2::MemoryEvents::default()
        }),
        ..v2::Metrics::default()
    }
}

fn io_v2(stats: &Stats) -> Vec<v2::IoEntry> {
    use gantry_cgroup::IoOperation::{Read, Write};
    let mut entries: Vec<v2::IoEntry> = Vec::new();
    let records = stats.io.service_bytes.iter().map(|record| (record, true));
    for (record, bytes) in records.chain(stats.io.serviced.iter().map(|record| (record, false))) {
        let device = (record.major, record.minor);
        let known = entries
            .iter()
            .position(|entry| (entry.major, entry.minor) == device);
        let at = known.unwrap_or(entries.len());
        if known.is_none() {
            let (major, minor) = device;
            entries.push(v2::IoEntry {
                major,
                minor,
                ..v2::IoEntry::default()
            });
        }
        let entry = &mut entries[at];
        if record.operation == Read {
            *(if bytes {
                &mut entry.rbytes
            } else {
                &mut entry.rios
            }) = record.value;
        } else if record.operation == Write {
            *(if bytes {
                &mut entry.wbytes
            } else {
                &mut entry.wios
            }) = record.value;
        }
    }
    entries
}

fn memory_v2(stats: &Stats) -> v2::MemoryStat {
    let memory = &stats.memory;
    let detail = |key| memory.detail(key);
    v2::MemoryStat {
        anon: detail("anon"),
        file: detail("file"),
        kernel_stack: detail("kernel_stack"),
        slab: detail("slab"),
        sock: detail("sock"),
        shmem: detail("shmem"),
        file_mapped: detail("file_mapped"),
        file_dirty: detail("file_dirty"),
        file_writeback: detail("file_writeback"),
        anon_thp: detail("anon_thp"),
        inactive_anon: detail("inactive_anon"),
        active_anon: detail("active_anon"),
        inactive_file: detail("inactive_file"),
        active_file: detail("active_file"),
        unevictable: detail("unevictable"),
        slab_reclaimable: detail("slab_reclaimable"),
        slab_unreclaimable: detail("slab_unreclaimable"),
        pgfault: detail("pgfault"),
        pgmajfault: detail("pgmajfault"),
        workingset_refault: detail("workingset_refault_anon") + detail("workingset_refault_file"),
        pgrefill: detail("pgrefill"),
        pgscan: detail("pgscan"),
        pgsteal: detail("pgsteal"),
        pgactivate: detail("pgactivate"),
        pgdeactivate: detail("pgdeactivate"),
        pglazyfree: detail("pglazyfree"),
        pglazyfreed: detail("pglazyfreed"),
        thp_fault_alloc: detail("thp_fault_alloc"),
        thp_collapse_alloc: detail("thp_collapse_alloc"),
        usage: memory.usage_bytes,
        usage_limit: memory.limit_bytes.unwrap_or(u64::MAX),
        swap_usage: memory.swap_usage_bytes,
        swap_limit: memory.swap_limit_bytes.unwrap_or(u64::MAX),
        max_usage: memory.peak_bytes,
        ..v2::MemoryStat::default()
    }
}
