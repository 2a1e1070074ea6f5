//! `gantry stats`.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use gantry_engine_api::stats::StatsResponse;
use serde_json::Value;

use crate::client::{Client, ClientError};
use crate::command::container::short_id;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::format::{Listing, Row, binary_size, decimal_size_precise};

/// Display a live stream of container(s) resource usage statistics
#[derive(Debug, clap::Args)]
pub(crate) struct Stats {
    /// Show all containers, not only the running ones
    #[arg(short, long)]
    all: bool,
    /// 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
    /// Show one result and end
    #[arg(long)]
    no_stream: bool,
    /// Do not cut texts short
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

const LISTING: Listing = Listing {
    columns: &[
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
    kind: "*container.statsContext",
};

/// How often a stream is drawn anew.
const EVERY: Duration = Duration::from_millis(500);

impl Execute for Stats {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let format = if self.format.is_empty() {
            &cx.config.stats_format
        } else {
            &self.format
        };
        loop {
            let names = self.names(cx.client()).await?;
            let asked = names.iter().map(|name| sample(cx.client(), name));
            let mut rows = Vec::new();
            for (name, answer) in names.iter().zip(join_all(asked).await) {
                match answer {
                    Ok(stats) => rows.push(row(name, &stats, !self.no_trunc)),
                    // It ended while we looked; only a container that was named is missed.
                    Err(error) if error.is_not_found() && self.args.is_empty() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let text = LISTING.render(format, &rows)?;
            if self.no_stream {
                cx.printer.raw(text.as_bytes())?;
                return Ok(Exit::SUCCESS);
            }
            draw(cx, &text)?;
            tokio::time::sleep(EVERY).await;
        }
    }
}

impl Stats {
    async fn names(&self, client: &Client) -> Result<Vec<String>> {
        if !self.args.is_empty() {
            return Ok(self.args.clone());
        }
        let found: Vec<Value> = client
            .get("/containers/json")
            .flag("all", self.all)
            .fetch()
            .await?;
        let ids = found.iter().filter_map(|one| one["Id"].as_str());
        Ok(ids.map(str::to_owned).collect())
    }
}

/// One sample; the engine waits for a second, so that there is a percentage.
async fn sample(client: &Client, name: &str) -> Result<StatsResponse, ClientError> {
    client
        .get(format!("/containers/{name}/stats"))
        .query("stream", "0")
        .fetch()
        .await
}

/// Redraws the table from the top of a terminal; elsewhere the samples follow one another.
fn draw(cx: &Context, text: &str) -> Result<()> {
    if cx.printer.stdout_is_terminal() {
        cx.printer.raw(b"\x1b[H")?;
        for line in text.lines() {
            cx.printer.raw(format!("{line}\x1b[K\n").as_bytes())?;
        }
        cx.printer.raw(b"\x1b[J")?;
    } else {
        cx.printer.raw(text.as_bytes())?;
    }
    Ok(cx.printer.flush()?)
}

#[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
fn row(asked: &str, stats: &StatsResponse, cut: bool) -> Row {
    let id = stats.id.as_str();
    let name = match stats.name.trim_start_matches('/') {
        "" => "--",
        name => name,
    };
    let used = used_memory(stats);
    let limit = stats.memory_stats.limit as f64;
    let share = if limit > 0.0 {
        used / limit * 100.0
    } else {
        0.0
    };
    let received: u64 = stats
        .networks
        .values()
        .map(|network| network.rx_bytes)
        .sum();
    let sent: u64 = stats
        .networks
        .values()
        .map(|network| network.tx_bytes)
        .sum();
    let (read, written) = block_io(stats);
    let pair = |a: u64, b: u64| {
        format!(
            "{} / {}",
            decimal_size_precise(a as f64),
            decimal_size_precise(b as f64)
        )
    };
    Row::new([
        ("Container", asked.into()),
        ("ID", if cut { short_id(id) } else { id }.into()),
        ("Name", name.into()),
        ("CPUPerc", format!("{:.2}%", cpu_percent(stats)).into()),
        (
            "MemUsage",
            format!("{} / {}", binary_size(used), binary_size(limit)).into(),
        ),
        ("MemPerc", format!("{share:.2}%").into()),
        ("NetIO", pair(received, sent).into()),
        ("BlockIO", pair(read, written).into()),
        ("PIDs", stats.pids_stats.current.to_string().into()),
    ])
}

/// Memory without the page cache that the kernel would give back: cgroup v1 and v2 name it apart.
#[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
fn used_memory(stats: &StatsResponse) -> f64 {
    let memory = &stats.memory_stats;
    let cache = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|key| memory.stats.get(*key));
    match cache {
        Some(cache) if *cache < memory.usage => (memory.usage - cache) as f64,
        _ => memory.usage as f64,
    }
}

/// The share of one CPU between two samples, times the number of CPUs.
#[expect(clippy::cast_precision_loss, reason = "a percentage")]
fn cpu_percent(stats: &StatsResponse) -> f64 {
    let (now, before) = (&stats.cpu_stats, &stats.precpu_stats);
    let own = now.cpu_usage.total_usage as f64 - before.cpu_usage.total_usage as f64;
    let all = now.system_cpu_usage as f64 - before.system_cpu_usage as f64;
    let cpus = match now.online_cpus {
        0 => now.cpu_usage.percpu_usage.len() as f64,
        online => f64::from(online),
    };
    if own > 0.0 && all > 0.0 {
        own / all * cpus * 100.0
    } else {
        0.0
    }
}

fn block_io(stats: &StatsResponse) -> (u64, u64) {
    let sum = |letter: u8| {
        let entries = stats.blkio_stats.io_service_bytes_recursive.iter();
        let ours = entries.filter(|entry| {
            entry
                .op
                .as_bytes()
                .first()
                .is_some_and(|first| first.eq_ignore_ascii_case(&letter))
        });
        ours.map(|entry| entry.value).sum()
    };
    (sum(b'r'), sum(b'w'))
}
