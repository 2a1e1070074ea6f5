//! Flags that limit what a container may use.

use std::str::FromStr;

use anyhow::{Result, bail};
use gantry_engine_api::HostConfig;
use gantry_engine_api::host_config::{ThrottleDevice, Ulimit, WeightDevice};

use super::devices::{byte_rate, operation_rate, weight};
use super::units::{Bytes, Cpus, SwapBytes};
use crate::exit::Failure;

/// The limits that can also be changed later, by `update`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Limits {
    /// Block IO weight (10 to 1000), or 0 to disable it
    #[arg(long, value_name = "uint16")]
    pub(crate) blkio_weight: Option<u16>,
    /// Limit the CPU's CFS period (microseconds)
    #[arg(long, value_name = "int")]
    pub(crate) cpu_period: Option<i64>,
    /// Limit the CPU's CFS quota (microseconds)
    #[arg(long, value_name = "int")]
    pub(crate) cpu_quota: Option<i64>,
    /// Limit the CPU's real-time period (microseconds)
    #[arg(long, value_name = "int")]
    pub(crate) cpu_rt_period: Option<i64>,
    /// Limit the CPU's real-time runtime (microseconds)
    #[arg(long, value_name = "int")]
    pub(crate) cpu_rt_runtime: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "int")]
    pub(crate) cpu_shares: Option<i64>,
    /// Number of CPUs
    #[arg(long, value_name = "decimal")]
    pub(crate) cpus: Option<Cpus>,
    /// CPUs the container may use (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Memory nodes the container may use (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_mems: Option<String>,
    /// Memory limit
    #[arg(short, long, value_name = "bytes")]
    pub(crate) memory: Option<Bytes>,
    /// Memory soft limit
    #[arg(long, value_name = "bytes")]
    pub(crate) memory_reservation: Option<Bytes>,
    /// Limit of memory and swap together: -1 for unlimited swap
    #[arg(long, value_name = "bytes")]
    pub(crate) memory_swap: Option<SwapBytes>,
    /// Limit of processes (-1 for unlimited)
    #[arg(long, value_name = "int")]
    pub(crate) pids_limit: Option<i64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ResourceFlags {
    #[command(flatten)]
    limits: Limits,
    /// Block IO weight of one device (/dev/x:WEIGHT)
    #[arg(long, value_name = "list", value_parser = weight)]
    blkio_weight_device: Vec<WeightDevice>,
    /// Number of CPUs (Windows)
    #[arg(long, value_name = "int")]
    cpu_count: Option<i64>,
    /// Percentage of the CPUs (Windows)
    #[arg(long, value_name = "int")]
    cpu_percent: Option<i64>,
    /// Limit bytes per second read from a device (/dev/x:1mb)
    #[arg(long, value_name = "list", value_parser = byte_rate)]
    device_read_bps: Vec<ThrottleDevice>,
    /// Limit reads per second from a device (/dev/x:100)
    #[arg(long, value_name = "list", value_parser = operation_rate)]
    device_read_iops: Vec<ThrottleDevice>,
    /// Limit bytes per second written to a device (/dev/x:1mb)
    #[arg(long, value_name = "list", value_parser = byte_rate)]
    device_write_bps: Vec<ThrottleDevice>,
    /// Limit writes per second to a device (/dev/x:100)
    #[arg(long, value_name = "list", value_parser = operation_rate)]
    device_write_iops: Vec<ThrottleDevice>,
    /// Limit of IO bandwidth on the system drive (Windows)
    #[arg(long, value_name = "bytes")]
    io_maxbandwidth: Option<Bytes>,
    /// Limit of IO operations on the system drive (Windows)
    #[arg(long, value_name = "uint")]
    io_maxiops: Option<u64>,
    /// Kernel memory limit (gone from Linux; ignored with a warning)
    #[arg(long, value_name = "bytes")]
    kernel_memory: Option<Bytes>,
    /// How eagerly the kernel swaps (0 to 100)
    #[arg(long, value_name = "int", default_value = "-1")]
    memory_swappiness: i64,
    /// Switch off the OOM killer
    #[arg(long)]
    oom_kill_disable: bool,
    /// The host's OOM preference (-1000 to 1000)
    #[arg(long, value_name = "int")]
    oom_score_adj: Option<i64>,
    /// Size of /dev/shm
    #[arg(long, value_name = "bytes")]
    shm_size: Option<Bytes>,
    /// Limit of the processes (nofile=1024:2048)
    #[arg(long, value_name = "ulimit")]
    ulimit: Vec<UlimitFlag>,
}

impl ResourceFlags {
    pub(crate) fn apply(&self, host: &mut HostConfig) -> Result<()> {
        let windows = [
            ("--cpu-count", self.cpu_count.is_some()),
            ("--cpu-percent", self.cpu_percent.is_some()),
            ("--io-maxbandwidth", self.io_maxbandwidth.is_some()),
            ("--io-maxiops", self.io_maxiops.is_some()),
        ];
        if let Some((flag, _)) = windows.iter().find(|(_, given)| *given) {
            let text = format!(
                "\"{flag}\" is only supported on a Docker daemon running on windows, but the Docker daemon is running on linux"
            );
            return Err(Failure::new(1, text).into());
        }
        let bytes = |size: Option<Bytes>| size.map_or(0, |size| size.0);
        if !(-1..=100).contains(&self.memory_swappiness) {
            bail!(
                "invalid value: {}. Valid memory swappiness range is 0-100",
                self.memory_swappiness
            );
        }
        let limits = &self.limits;
        host.memory = bytes(limits.memory);
        host.memory_reservation = bytes(limits.memory_reservation);
        host.memory_swap = limits.memory_swap.map_or(0, |size| size.0);
        host.memory_swappiness = Some(self.memory_swappiness);
        host.kernel_memory = bytes(self.kernel_memory);
        host.shm_size = bytes(self.shm_size);
        host.oom_kill_disable = Some(self.oom_kill_disable);
        host.oom_score_adj = self.oom_score_adj.unwrap_or(0);
        host.pids_limit = Some(limits.pids_limit.unwrap_or(0));
        host.nano_cpus = limits.cpus.map_or(0, |cpus| cpus.0);
        host.cpu_shares = limits.cpu_shares.unwrap_or(0);
        host.cpu_period = limits.cpu_period.unwrap_or(0);
        host.cpu_quota = limits.cpu_quota.unwrap_or(0);
        host.cpu_realtime_period = limits.cpu_rt_period.unwrap_or(0);
        host.cpu_realtime_runtime = limits.cpu_rt_runtime.unwrap_or(0);
        host.cpuset_cpus = limits.cpuset_cpus.clone().unwrap_or_default();
        host.cpuset_mems = limits.cpuset_mems.clone().unwrap_or_default();
        host.blkio_weight = limits.blkio_weight.unwrap_or(0);
        host.blkio_weight_device = self.blkio_weight_device.clone().into();
        host.blkio_device_read_bps = self.device_read_bps.clone().into();
        host.blkio_device_write_bps = self.device_write_bps.clone().into();
        host.blkio_device_read_iops = self.device_read_iops.clone().into();
        host.blkio_device_write_iops = self.device_write_iops.clone().into();
        let mut ulimits: Vec<Ulimit> = self.ulimit.iter().map(|limit| limit.0.clone()).collect();
        ulimits.sort_by(|a, b| a.name.cmp(&b.name));
        host.ulimits = ulimits.into();
        Ok(())
    }
}

const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// `name=soft[:hard]`; -1 is unlimited.
#[derive(Clone, Debug)]
pub(crate) struct UlimitFlag(pub(crate) Ulimit);

impl FromStr for UlimitFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, values)) = text.split_once('=') else {
            return Err(format!("invalid ulimit argument: {text}"));
        };
        if !ULIMITS.contains(&name) {
            return Err(format!("invalid ulimit type: {name}"));
        }
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let number = |value: &str| {
            let failed = |_| format!("strconv.ParseInt: parsing \"{value}\": invalid syntax");
            value.parse::<i64>().map_err(failed)
        };
        let (soft, hard) = (number(soft)?, number(hard)?);
        if hard != -1 && (soft > hard || soft == -1) {
            return Err(format!(
                "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
            ));
        }
        Ok(Self(Ulimit {
            name: name.to_owned(),
            hard,
            soft,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits_are_read() {
        let UlimitFlag(limit) = "nofile=1024:2048".parse().unwrap();
        assert_eq!((limit.soft, limit.hard), (1024, 2048));
        assert_eq!("core=-1".parse::<UlimitFlag>().unwrap().0.hard, -1);
        for text in ["nofile", "bogus=1", "nofile=2:1", "nofile=x", "core=-1:5"] {
            assert!(text.parse::<UlimitFlag>().is_err(), "{text}");
        }
    }
}
