//! Limits as unit properties (`systemd.resource-control(5)`), so that systemd knows them.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxResources};

use super::{SystemdError, Value};
use crate::limits_v2::{swap_alone, weight_of_shares};

/// No limit.
const INFINITY: u64 = u64::MAX;
const DEFAULT_PERIOD: u64 = 100_000;
/// systemd keeps a quota as whole percents of a processor: so many microseconds of a second.
const PERCENT: u64 = 10_000;

type Properties = Vec<(String, Value)>;

/// The properties for what systemd has words for; 0 and absent mean unchanged, as in runc.
pub(super) fn of(resources: &LinuxResources, v2: bool) -> Result<Properties, SystemdError> {
    let mut properties = Properties::new();
    let mut set = |name: &str, value| properties.push((name.to_owned(), value));
    if let Some(memory) = resources.memory() {
        let limit = memory.limit().filter(|n| *n != 0);
        if let Some(limit) = limit {
            let name = if v2 { "MemoryMax" } else { "MemoryLimit" };
            set(name, Value::U64(limit_or_none(limit)));
        }
        if v2 {
            if let Some(soft) = memory.reservation().filter(|n| *n != 0) {
                set("MemoryLow", Value::U64(limit_or_none(soft)));
            }
            let swap = swap_alone(limit, memory.swap().filter(|n| *n != 0));
            if let Some(swap) = swap {
                set(
                    "MemorySwapMax",
                    Value::U64(swap.parse().unwrap_or(INFINITY)),
                );
            }
        }
    }
    if let Some(limit) = resources
        .pids()
        .as_ref()
        .map(oci_spec::runtime::LinuxPids::limit)
        .filter(|n| *n != 0)
    {
        set("TasksMax", Value::U64(limit_or_none(limit)));
    }
    if !v2 && let Some(weight) = resources.block_io().as_ref().and_then(LinuxBlockIo::weight) {
        set("BlockIOWeight", Value::U64(weight.into()));
    }
    if let Some(cpu) = resources.cpu() {
        properties.extend(cpu_properties(cpu, v2)?);
    }
    for (key, value) in resources.unified().iter().flatten().filter(|_| v2) {
        properties.extend(unified(key, value)?);
    }
    Ok(properties)
}

fn limit_or_none(limit: i64) -> u64 {
    u64::try_from(limit).unwrap_or(INFINITY)
}

fn cpu_properties(cpu: &LinuxCpu, v2: bool) -> Result<Properties, SystemdError> {
    let mut properties = Properties::new();
    let mut set = |name: &str, value| properties.push((name.to_owned(), value));
    let idle = cpu.idle() == Some(1);
    if v2 && idle {
        set("CPUWeight", Value::U64(0));
    } else if let Some(shares) = cpu.shares().filter(|n| *n != 0) {
        if v2 {
            set("CPUWeight", Value::U64(weight_of_shares(shares)));
        } else {
            set("CPUShares", Value::U64(shares));
        }
    }
    let period = cpu.period().filter(|n| *n != 0);
    let quota = cpu.quota().filter(|n| *n != 0);
    if let Some(period) = period {
        set("CPUQuotaPeriodUSec", Value::U64(period));
    }
    if quota.is_some() || period.is_some() {
        set("CPUQuotaPerSecUSec", Value::U64(per_second(quota, period)));
    }
    if v2 {
        for (name, list) in [
            ("AllowedCPUs", cpu.cpus()),
            ("AllowedMemoryNodes", cpu.mems()),
        ] {
            if let Some(list) = list.as_deref().filter(|list| !list.is_empty()) {
                set(name, Value::Bytes(bit_mask(list)?));
            }
        }
    }
    Ok(properties)
}

/// Rounded up to what systemd can keep: the scope's own files get the exact value afterwards, and it
/// must fit below.
fn per_second(quota: Option<i64>, period: Option<u64>) -> u64 {
    let Some(quota) = quota.and_then(|quota| u64::try_from(quota).ok()) else {
        return INFINITY;
    };
    let period = period.unwrap_or(DEFAULT_PERIOD);
    (quota.saturating_mul(1_000_000) / period)
        .div_ceil(PERCENT)
        .saturating_mul(PERCENT)
}

/// `0-2,7` as systemd has it: bit n of byte n/8.
fn bit_mask(list: &str) -> Result<Vec<u8>, SystemdError> {
    /// Far above the kernel's own most.
    const MAX: usize = 1 << 16;
    let bad = || SystemdError::List {
        list: list.to_owned(),
    };
    let mut mask = Vec::new();
    for part in list.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| bad())?;
        let last: usize = last.trim().parse().map_err(|_| bad())?;
        if first > last || last >= MAX {
            return Err(bad());
        }
        mask.resize(mask.len().max(last / 8 + 1), 0);
        (first..=last).for_each(|bit| mask[bit / 8] |= 1 << (bit % 8));
    }
    Ok(mask)
}

/// A file of version 2 that systemd has a property for; others are only written.
fn unified(key: &str, value: &str) -> Result<Properties, SystemdError> {
    let value = value.trim();
    let bad = || SystemdError::Unified {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let number = |text: &str| match text {
        "max" => Ok(INFINITY),
        text => text.parse().map_err(|_| bad()),
    };
    let one = |name: &str, value| Ok(vec![(name.to_owned(), value)]);
    match key {
        "cpu.idle" if value == "1" => one("CPUWeight", Value::U64(0)),
        "cpu.weight" => one("CPUWeight", Value::U64(number(value)?)),
        "cpu.max" => {
            let (quota, period) = value.split_once(' ').unwrap_or((value, "100000"));
            let period: u64 = period.trim().parse().map_err(|_| bad())?;
            let quota = i64::try_from(number(quota)?).ok();
            if period == 0 {
                return Err(bad());
            }
            Ok(vec![
                ("CPUQuotaPeriodUSec".to_owned(), Value::U64(period)),
                (
                    "CPUQuotaPerSecUSec".to_owned(),
                    Value::U64(per_second(quota, Some(period))),
                ),
            ])
        }
        "cpuset.cpus" => one("AllowedCPUs", Value::Bytes(bit_mask(value)?)),
        "cpuset.mems" => one("AllowedMemoryNodes", Value::Bytes(bit_mask(value)?)),
        "memory.high" => one("MemoryHigh", Value::U64(number(value)?)),
        "memory.low" => one("MemoryLow", Value::U64(number(value)?)),
        "memory.min" => one("MemoryMin", Value::U64(number(value)?)),
        "memory.max" => one("MemoryMax", Value::U64(number(value)?)),
        "memory.swap.max" => one("MemorySwapMax", Value::U64(number(value)?)),
        "pids.max" => one("TasksMax", Value::U64(number(value)?)),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(json: &str, v2: bool) -> Vec<(String, Value)> {
        of(&serde_json::from_str(json).unwrap(), v2).unwrap()
    }

    fn number(name: &str, value: u64) -> (String, Value) {
        (name.to_owned(), Value::U64(value))
    }

    #[test]
    fn limits_have_other_names_in_each_version() {
        let json = r#"{"memory":{"limit":1048576,"reservation":4096,"swap":3145728},
            "pids":{"limit":-1},"cpu":{"shares":1024,"quota":50500,"period":100000}}"#;
        assert_eq!(
            properties(json, true),
            [
                number("MemoryMax", 1_048_576),
                number("MemoryLow", 4096),
                number("MemorySwapMax", 2_097_152),
                number("TasksMax", u64::MAX),
                number("CPUWeight", 100),
                number("CPUQuotaPeriodUSec", 100_000),
                number("CPUQuotaPerSecUSec", 510_000),
            ]
        );
        assert_eq!(
            properties(json, false)[..2],
            [
                number("MemoryLimit", 1_048_576),
                number("TasksMax", u64::MAX)
            ]
        );
        assert_eq!(properties("{}", true), []);
    }

    #[test]
    fn lists_become_masks() {
        assert_eq!(bit_mask("0-2,9").unwrap(), [0b111, 0b10]);
        for bad in ["", "a", "2-1", "0-99999999", "1,,2"] {
            assert!(bit_mask(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_that_systemd_has_a_word_for() {
        let json = r#"{"unified":{"memory.high":"max","io.weight":"default 7"}}"#;
        assert_eq!(properties(json, true), [number("MemoryHigh", u64::MAX)]);
        let bad = r#"{"unified":{"cpu.max":"5 0"}}"#;
        assert!(of(&serde_json::from_str(bad).unwrap(), true).is_err());
    }
}
