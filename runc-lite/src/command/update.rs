//! `update`: other limits for a container that runs.

use std::fs;
use std::io::{self, Read};

use oci_spec::runtime::LinuxResources;
use serde_json::{Map, Value};

use crate::cli::{Flag, Global, Parsed};
use crate::command::{Count, HELP, Verb, container};
use crate::error::RunError;
use crate::state::Status;

/// Flags, and where their number belongs in the specification's resources.
const NUMBERS: [(&str, &str, &str); 14] = [
    ("blkio-weight", "blockIO", "weight"),
    ("cpu-period", "cpu", "period"),
    ("cpu-quota", "cpu", "quota"),
    ("cpu-burst", "cpu", "burst"),
    ("cpu-share", "cpu", "shares"),
    ("cpu-rt-period", "cpu", "realtimePeriod"),
    ("cpu-rt-runtime", "cpu", "realtimeRuntime"),
    ("cpu-idle", "cpu", "idle"),
    ("memory", "memory", "limit"),
    ("memory-reservation", "memory", "reservation"),
    ("memory-swap", "memory", "swap"),
    ("kernel-memory", "memory", "kernel"),
    ("kernel-memory-tcp", "memory", "kernelTCP"),
    ("pids-limit", "pids", "limit"),
];

pub(crate) const UPDATE: Verb = Verb {
    name: "update",
    help: "update container resource constraints",
    arguments: "<container-id>",
    flags: &[
        Flag::value(
            "resources",
            "file with the resources as JSON, '-' for stdin",
        )
        .short('r'),
        Flag::value("blkio-weight", "relative weight of block I/O, 10 to 1000"),
        Flag::value("cpu-period", "CFS period in usecs"),
        Flag::value("cpu-quota", "CFS quota in usecs"),
        Flag::value("cpu-burst", "CFS burst in usecs"),
        Flag::value("cpu-share", "CPU shares"),
        Flag::value("cpu-rt-period", "realtime period in usecs"),
        Flag::value("cpu-rt-runtime", "realtime quota in usecs"),
        Flag::value("cpu-idle", "SCHED_IDLE: 0 or 1"),
        Flag::value("cpuset-cpus", "CPUs to use"),
        Flag::value("cpuset-mems", "memory nodes to use"),
        Flag::value("memory", "memory limit in bytes"),
        Flag::value("memory-reservation", "soft limit in bytes"),
        Flag::value(
            "memory-swap",
            "memory and swap in bytes; -1 for unlimited swap",
        ),
        Flag::value("kernel-memory", "accepted for compatibility"),
        Flag::value("kernel-memory-tcp", "kernel TCP buffers in bytes"),
        Flag::value("pids-limit", "number of processes; -1 for unlimited"),
        HELP,
    ],
    count: Count::Exactly(1),
    enters: false,
    run: |global, parsed| Ok(update(global, parsed).map(|()| 0)?),
};

fn update(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let resources = resources_of(parsed)?;
    let (directory, record) = container::find(global, parsed.id())?;
    let _lock = directory.lock()?;
    if Status::of(&record, &directory) == Status::Stopped {
        return Err(RunError::NotRunning);
    }
    let cgroup = record.cgroup();
    if let Some(unit) = record.unit() {
        unit.set(&resources, cgroup.is_v2())?;
    }
    if resources
        .devices()
        .as_ref()
        .is_some_and(|devices| !devices.is_empty())
    {
        cgroup.apply_devices(&resources)?;
    }
    Ok(cgroup.apply(&resources)?)
}

fn resources_of(parsed: &Parsed) -> Result<LinuxResources, RunError> {
    let json = |source| RunError::Json {
        what: "the resources",
        source,
    };
    if let Some(path) = parsed.get("resources") {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            if path == "-" {
                io::stdin().take(1 << 20).read_to_end(&mut bytes)?;
            } else {
                bytes = fs::read(path)?;
            }
            Ok(bytes)
        };
        let bytes = read().map_err(|source| RunError::Io {
            step: "read the resources",
            source,
        })?;
        return serde_json::from_slice(&bytes).map_err(json);
    }
    let mut groups = Map::new();
    let mut set = |group: &str, key: &str, value: Value| {
        let group = groups.entry(group).or_insert_with(|| Map::new().into());
        if let Some(group) = group.as_object_mut() {
            group.insert(key.to_owned(), value);
        }
    };
    for (flag, group, key) in NUMBERS {
        if let Some(text) = parsed.get(flag) {
            let bad = || RunError::Value {
                flag,
                value: text.to_owned(),
            };
            set(group, key, parse_bytes(text).ok_or_else(bad)?.into());
        }
    }
    for (flag, key) in [("cpuset-cpus", "cpus"), ("cpuset-mems", "mems")] {
        if let Some(text) = parsed.get(flag) {
            set("cpu", key, text.into());
        }
    }
    // By way of text: the parser for text is in the program anyway.
    serde_json::from_str(&Value::Object(groups).to_string()).map_err(json)
}

/// A number, perhaps with `k`, `m`, `g` or `t` (1024s).
fn parse_bytes(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(['b', 'k', 'm', 'g', 't', 'i']);
    let unit = match lower[digits.len()..].chars().next() {
        None | Some('b') => 0,
        Some('k') => 10,
        Some('m') => 20,
        Some('g') => 30,
        Some('t') => 40,
        Some(_) => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(1 << unit)
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("7", 7),
            ("-1", -1),
            ("2k", 2048),
            ("3MiB", 3 << 20),
            ("1gb", 1 << 30),
        ] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "x", "9999999999g", "1x"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
