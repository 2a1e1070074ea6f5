//! Control group counters: from containerd's messages (v1, v2) to the API's shape.

use gantry_engine_api::{
    List, Map,
    stats::{BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, PidsStats, ThrottlingData},
};
use gantry_ids::ContainerId;
use gantry_proto::{
    containerd::services::tasks::v1::MetricsRequest,
    convert::any,
    io::containerd::cgroups::{v1, v2},
};

use super::{Outcome, QUICK, Supervisor, timed};

/// A container's counters.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    pub pids: PidsStats,
    pub cpu: CpuStats,
    pub memory: MemoryStats,
    pub blkio: BlkioStats,
}

impl Supervisor {
    /// A task's counters; none where it has none any more.
    ///
    /// # Errors
    /// The supervisor does not answer.
    pub async fn counters(&self, id: &ContainerId) -> Outcome<Option<Counters>> {
        let request = self.request(MetricsRequest {
            filters: vec![format!("id=={id}")],
        })?;
        let answer = timed(QUICK, self.tasks().metrics(request)).await?;
        let data = answer
            .metrics
            .into_iter()
            .find(|m| m.id == id.as_str())
            .and_then(|m| m.data);
        Ok(data.and_then(|data| read(&data)))
    }
}

fn read(data: &prost_types::Any) -> Option<Counters> {
    if any::is::<v1::Metrics>(data) {
        any::unpack::<v1::Metrics>(data).ok().map(of_v1)
    } else {
        any::unpack::<v2::Metrics>(data).ok().map(of_v2)
    }
}

fn of_v1(metrics: v1::Metrics) -> Counters {
    let mut counters = Counters::default();
    if let Some(pids) = metrics.pids {
        counters.pids = PidsStats {
            current: pids.current,
            limit: pids.limit,
        };
    }
    if let Some(cpu) = metrics.cpu {
        let usage = cpu.usage.unwrap_or_default();
        counters.cpu.cpu_usage = CpuUsage {
            total_usage: usage.total,
            percpu_usage: usage.per_cpu.into(),
            usage_in_kernelmode: usage.kernel,
            usage_in_usermode: usage.user,
        };
        let throttling = cpu.throttling.unwrap_or_default();
        counters.cpu.throttling_data = ThrottlingData {
            periods: throttling.periods,
            throttled_periods: throttling.throttled_periods,
            throttled_time: throttling.throttled_time,
        };
    }
    if let Some(memory) = metrics.memory {
        let usage = memory.usage.unwrap_or_default();
        counters.memory = MemoryStats {
            usage: usage.usage,
            max_usage: usage.max,
            failcnt: usage.failcnt,
            limit: usage.limit,
            stats: memory_v1(&memory),
        };
    }
    if let Some(io) = metrics.blkio {
        let entries = |list: Vec<v1::BlkIoEntry>| -> List<BlkioEntry> {
            let entry = |e: v1::BlkIoEntry| BlkioEntry {
                major: e.major,
                minor: e.minor,
                op: e.op.to_lowercase(),
                value: e.value,
            };
            list.into_iter().map(entry).collect()
        };
        counters.blkio = BlkioStats {
            io_service_bytes_recursive: entries(io.io_service_bytes_recursive),
            io_serviced_recursive: entries(io.io_serviced_recursive),
            io_queue_recursive: entries(io.io_queued_recursive),
            io_service_time_recursive: entries(io.io_service_time_recursive),
            io_wait_time_recursive: entries(io.io_wait_time_recursive),
            io_merged_recursive: entries(io.io_merged_recursive),
            io_time_recursive: entries(io.io_time_recursive),
            sectors_recursive: entries(io.sectors_recursive),
        };
    }
    counters
}

fn map<const N: usize>(entries: [(&str, u64); N]) -> Map<u64> {
    entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The names of v1's `memory.stat`.
fn memory_v1(memory: &v1::MemoryStat) -> Map<u64> {
    map([
        ("cache", memory.cache),
        ("rss", memory.rss),
        ("rss_huge", memory.rss_huge),
        ("mapped_file", memory.mapped_file),
        ("dirty", memory.dirty),
        ("writeback", memory.writeback),
        ("pgpgin", memory.pg_pg_in),
        ("pgpgout", memory.pg_pg_out),
        ("pgfault", memory.pg_fault),
        ("pgmajfault", memory.pg_maj_fault),
        ("inactive_anon", memory.inactive_anon),
        ("active_anon", memory.active_anon),
        ("inactive_file", memory.inactive_file),
        ("active_file", memory.active_file),
        ("unevictable", memory.unevictable),
        (
            "hierarchical_memory_limit",
            memory.hierarchical_memory_limit,
        ),
        ("hierarchical_memsw_limit", memory.hierarchical_swap_limit),
        ("total_cache", memory.total_cache),
        ("total_rss", memory.total_rss),
        ("total_rss_huge", memory.total_rss_huge),
        ("total_mapped_file", memory.total_mapped_file),
        ("total_dirty", memory.total_dirty),
        ("total_writeback", memory.total_writeback),
        ("total_pgpgin", memory.total_pg_pg_in),
        ("total_pgpgout", memory.total_pg_pg_out),
        ("total_pgfault", memory.total_pg_fault),
        ("total_pgmajfault", memory.total_pg_maj_fault),
        ("total_inactive_anon", memory.total_inactive_anon),
        ("total_active_anon", memory.total_active_anon),
        ("total_inactive_file", memory.total_inactive_file),
        ("total_active_file", memory.total_active_file),
        ("total_unevictable", memory.total_unevictable),
    ])
}

fn of_v2(metrics: v2::Metrics) -> Counters {
    let mut counters = Counters::default();
    if let Some(pids) = metrics.pids {
        counters.pids = PidsStats {
            current: pids.current,
            limit: pids.limit,
        };
    }
    if let Some(cpu) = metrics.cpu {
        // v2 counts in microseconds, the API in nanoseconds.
        counters.cpu.cpu_usage = CpuUsage {
            total_usage: cpu.usage_usec * 1000,
            percpu_usage: List::default(),
            usage_in_kernelmode: cpu.system_usec * 1000,
            usage_in_usermode: cpu.user_usec * 1000,
        };
        counters.cpu.throttling_data = ThrottlingData {
            periods: cpu.nr_periods,
            throttled_periods: cpu.nr_throttled,
            throttled_time: cpu.throttled_usec * 1000,
        };
    }
    if let Some(memory) = metrics.memory {
        counters.memory = MemoryStats {
            usage: memory.usage,
            limit: memory.usage_limit,
            max_usage: 0,
            failcnt: metrics.memory_events.map_or(0, |events| events.oom),
            stats: memory_v2(&memory),
        };
    }
    if let Some(io) = metrics.io {
        counters.blkio.io_service_bytes_recursive = io
            .usage
            .into_iter()
            .flat_map(|entry| {
                [("read", entry.rbytes), ("write", entry.wbytes)].map(|(op, value)| BlkioEntry {
                    major: entry.major,
                    minor: entry.minor,
                    op: op.to_owned(),
                    value,
                })
            })
            .collect();
    }
    counters
}

/// The names of v2's `memory.stat`.
fn memory_v2(memory: &v2::MemoryStat) -> Map<u64> {
    map([
        ("anon", memory.anon),
        ("file", memory.file),
        ("kernel_stack", memory.kernel_stack),
        ("slab", memory.slab),
        ("sock", memory.sock),
        ("shmem", memory.shmem),
        ("file_mapped", memory.file_mapped),
        ("file_dirty", memory.file_dirty),
        ("file_writeback", memory.file_writeback),
        ("anon_thp", memory.anon_thp),
        ("inactive_anon", memory.inactive_anon),
        ("active_anon", memory.active_anon),
        ("inactive_file", memory.inactive_file),
        ("active_file", memory.active_file),
        ("unevictable", memory.unevictable),
        ("slab_reclaimable", memory.slab_reclaimable),
        ("slab_unreclaimable", memory.slab_unreclaimable),
        ("pgfault", memory.pgfault),
        ("pgmajfault", memory.pgmajfault),
        ("workingset_refault", memory.workingset_refault),
        ("workingset_activate", memory.workingset_activate),
        ("workingset_nodereclaim", memory.workingset_nodereclaim),
        ("pgrefill", memory.pgrefill),
        ("pgscan", memory.pgscan),
        ("pgsteal", memory.pgsteal),
        ("pgactivate", memory.pgactivate),
        ("pgdeactivate", memory.pgdeactivate),
        ("pglazyfree", memory.pglazyfree),
        ("pglazyfreed", memory.pglazyfreed),
        ("thp_fault_alloc", memory.thp_fault_alloc),
        ("thp_collapse_alloc", memory.thp_collapse_alloc),
    ])
}
