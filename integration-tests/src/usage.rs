//! What a process holds: memory and descriptors, from `/proc`.

use std::fs;
use std::time::Duration;

/// Memory that would be free again without the process, in KiB: what one more of it costs.
#[must_use]
pub fn private_kib(pid: u32) -> u64 {
    rollup(pid, &["Private_Clean", "Private_Dirty"])
}

/// Its memory with its share of what others use too, in KiB.
#[must_use]
pub fn proportional_kib(pid: u32) -> u64 {
    rollup(pid, &["Pss"])
}

/// How many descriptors it has open.
#[must_use]
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// How long its threads have run, in the kernel and outside, to the nanosecond (`/proc/<pid>/task/*/schedstat`).
/// Threads that have ended are not counted.
#[must_use]
pub fn ran_for(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let nanoseconds = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The sum of these lines of `smaps_rollup`, in KiB.
fn rollup(pid: u32, names: &[&str]) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let value = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        names
            .contains(&name)
            .then(|| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())?
    };
    text.lines().filter_map(value).sum()
}
