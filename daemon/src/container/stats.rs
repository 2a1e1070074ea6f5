//! One sample of a container's counters, with what the machine and its network add.

use gantry_engine_api::{
    Map,
    container::NEVER,
    stats::{NetworkStats, StatsResponse},
};
use jiff::Timestamp;

use super::registry::{Containers, Handle};

/// Nanoseconds of one tick of `/proc/stat` (`USER_HZ` is 100 everywhere Linux runs today).
const TICK_NS: u64 = 10_000_000;

impl Containers {
    /// A sample; a container that does not run has an empty one, as in dockerd.
    pub async fn sample(&self, handle: &Handle) -> StatsResponse {
        let record = handle.record();
        let mut sample = StatsResponse {
            name: record.name.with_slash(),
            id: record.id.to_string(),
            read: NEVER.to_owned(),
            preread: NEVER.to_owned(),
            ..StatsResponse::default()
        };
        let Some(pid) = record.life.pid() else {
            return sample;
        };
        let counters = match self.parts.supervisor.counters(&record.id).await {
            Ok(Some(counters)) => counters,
            Ok(None) => return sample,
            Err(error) => {
                tracing::debug!(container.id = %record.id, %error, "no counters");
                return sample;
            }
        };
        sample.read = Timestamp::now().to_string();
        sample.pids_stats = counters.pids;
        sample.cpu_stats = counters.cpu;
        sample.memory_stats = counters.memory;
        sample.blkio_stats = counters.blkio;
        sample.cpu_stats.system_cpu_usage = system_usage_ns().unwrap_or(0);
        sample.cpu_stats.online_cpus = self.parts.machine.cpus;
        if record.host.network_mode != "host" {
            sample.networks = interfaces(pid);
        }
        // What the machine has is the limit of a container without one.
        let memory = self.machine_memory();
        let limit = &mut sample.memory_stats.limit;
        if memory > 0 && (*limit == 0 || *limit > memory) {
            *limit = memory;
        }
        sample
    }

    fn machine_memory(&self) -> u64 {
        let Ok(text) = std::fs::read_to_string("/proc/meminfo") else {
            return 0;
        };
        text.lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))
            .and_then(|rest| {
                rest.trim()
                    .trim_end_matches("kB")
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
            .map_or(0, |kib| kib * 1024)
    }
}

/// The machine's processor time since its start (proc(5), `/proc/stat`).
fn system_usage_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    // user nice system idle iowait irq softirq steal; guest time is in user's already.
    let ticks: u64 = line
        .split_whitespace()
        .take(8)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    Some(ticks * TICK_NS)
}

/// Counters of a process's network namespace, without its loopback.
fn interfaces(pid: u32) -> Map<NetworkStats> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    parse_interfaces(&text)
}

fn parse_interfaces(text: &str) -> Map<NetworkStats> {
    text.lines()
        .skip(2)
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let n: Vec<u64> = rest
                .split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect();
            let [rx_bytes, rx_packets, rx_errors, rx_dropped, ..] = n[..] else {
                return None;
            };
            let [tx_bytes, tx_packets, tx_errors, tx_dropped, ..] = *n.get(8..)? else {
                return None;
            };
            let stats = NetworkStats {
                rx_bytes,
                rx_packets,
                rx_errors,
                rx_dropped,
                tx_bytes,
                tx_packets,
                tx_errors,
                tx_dropped,
            };
            Some((name.trim().to_owned(), stats))
        })
        .filter(|(name, _)| name != "lo")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read() {
        let text = "Inter-|   Receive |  Transmit\n face |bytes packets\n    lo: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n  eth0: 10 20 30 40 0 0 0 0 50 60 70 80 0 0 0 0\n";
        let map = parse_interfaces(text);
        assert_eq!(map.len(), 1);
        assert_eq!((map["eth0"].rx_bytes, map["eth0"].tx_dropped), (10, 80));
        assert!(system_usage_ns().unwrap() > 0);
    }
}
