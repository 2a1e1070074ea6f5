//! `events`: what a container uses, once or again and again, in runc's form.

use std::thread::sleep;
use std::time::Duration;

use gantry_cgroup::{IoRecord, Stats};
use serde_json::{Map, Value, json};

use crate::cli::{Flag, Global, Parsed};
use crate::command::state::print;
use crate::command::{Count, HELP, Verb, container};
use crate::error::RunError;
use crate::state::Status;

pub(crate) const EVENTS: Verb = Verb {
    name: "events",
    help: "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
    arguments: "<container-id>",
    flags: &[
        Flag::value(
            "interval",
            "set the stats collection interval (default: 5s)",
        ),
        Flag::switch("stats", "display the container's stats then exit"),
        HELP,
    ],
    count: Count::Exactly(1),
    enters: false,
    run: |global, parsed| Ok(events(global, parsed).map(|()| 0)?),
};

fn events(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let interval = interval_of(parsed.get("interval").unwrap_or("5s"))?;
    let (directory, record) = container::find(global, parsed.id())?;
    let id = record.id.clone();
    let cgroup = record.cgroup();
    if Status::of(&record, &directory) == Status::Stopped {
        return Err(RunError::IdNotRunning { id });
    }
    let emit = |kind: &str, data: Option<Value>| {
        let mut event = Map::new();
        event.insert("type".to_owned(), kind.into());
        event.insert("id".to_owned(), id.clone().into());
        event.extend(data.map(|data| ("data".to_owned(), data)));
        print(&format!("{}\n", Value::Object(event)))
    };
    if parsed.has("stats") {
        return emit("stats", Some(data(&cgroup.stats()?)));
    }
    let mut kills = cgroup.oom_kills()?;
    while Status::of(&record, &directory).is_alive() {
        let stats = cgroup.stats()?;
        if stats.memory.oom_kills > kills {
            kills = stats.memory.oom_kills;
            emit("oom", None)?;
        }
        emit("stats", Some(data(&stats)))?;
        sleep(interval);
    }
    Ok(())
}

/// Go's duration, whole: `500ms`, `5s`, `2m`.
fn interval_of(text: &str) -> Result<Duration, RunError> {
    let bad = || RunError::Value {
        flag: "--interval",
        value: text.to_owned(),
    };
    let number = |digits: &str| digits.parse::<u64>().map_err(|_| bad());
    let interval = if let Some(digits) = text.strip_suffix("ms") {
        Duration::from_millis(number(digits)?)
    } else if let Some(digits) = text.strip_suffix('s') {
        Duration::from_secs(number(digits)?)
    } else if let Some(digits) = text.strip_suffix('m') {
        Duration::from_secs(number(digits)?.saturating_mul(60))
    } else {
        return Err(bad());
    };
    if interval.is_zero() {
        Err(bad())
    } else {
        Ok(interval)
    }
}

fn data(stats: &Stats) -> Value {
    let cpu = &stats.cpu;
    let memory = &stats.memory;
    let details: Map<String, Value> = memory
        .details
        .iter()
        .map(|(key, value)| (key.clone(), (*value).into()))
        .collect();
    let hugetlb: Map<String, Value> = stats
        .hugetlb
        .iter()
        .map(|size| {
            let entry = json!({
                "usage": size.usage_bytes, "max": size.peak_bytes, "failcnt": size.fail_count,
            });
            (size.page_size.clone(), entry)
        })
        .collect();
    json!({
        "cpu": {
            "usage": {
                "total": cpu.usage_ns,
                "percpu": cpu.per_cpu_ns,
                "kernel": cpu.system_ns,
                "user": cpu.user_ns,
            },
            "throttling": {
                "periods": cpu.throttling.periods,
                "throttledPeriods": cpu.throttling.throttled_periods,
                "throttledTime": cpu.throttling.throttled_ns,
            },
        },
        "memory": {
            "cache": memory.cache_bytes(),
            "usage": {
                "limit": memory.limit_bytes.unwrap_or(u64::MAX),
                "usage": memory.usage_bytes,
                "max": memory.peak_bytes,
                "failcnt": memory.fail_count,
            },
            "swap": {
                "limit": memory.swap_limit_bytes.unwrap_or(u64::MAX),
                "usage": memory.swap_usage_bytes,
                "failcnt": 0,
            },
            "kernel": { "limit": u64::MAX, "usage": memory.kernel_usage_bytes, "failcnt": 0 },
            "raw": details,
        },
        "pids": { "current": stats.pids.current, "limit": stats.pids.limit.unwrap_or(0) },
        "blkio": {
            "ioServiceBytesRecursive": records(&stats.io.service_bytes),
            "ioServicedRecursive": records(&stats.io.serviced),
        },
        "hugetlb": hugetlb,
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

fn records(records: &[IoRecord]) -> Value {
    let entry = |record: &IoRecord| {
        json!({
            "major": record.major,
            "minor": record.minor,
            "op": record.operation.name(),
            "value": record.value,
        })
    };
    records.iter().map(entry).collect::<Vec<_>>().into()
}
