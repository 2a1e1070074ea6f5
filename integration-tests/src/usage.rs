//! What a process holds: memory and descriptors, from `/proc`.

use std::fs;

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
