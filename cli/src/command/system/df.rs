//! `gantry system df`.

use anyhow::Result;
use serde_json::Value;

use super::df_verbose;
use super::usage::list;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::format::{Listing, Row, decimal_size};

/// Show docker disk usage
#[derive(Debug, clap::Args)]
pub(crate) struct Df {
    /// 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
    /// Show every object
    #[arg(short, long)]
    verbose: bool,
}

const LISTING: Listing = Listing {
    columns: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
    table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
    kind: "*formatter.diskUsageContext",
};

impl Execute for Df {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let usage = cx.client().get("/system/df").value().await?;
        if self.verbose {
            df_verbose::print(cx, &usage, &self.format)?;
            return Ok(Exit::SUCCESS);
        }
        let rows = [
            images(&usage),
            containers(&usage),
            volumes(&usage),
            cache(&usage),
        ];
        LISTING.print(&cx.printer, &self.format, &rows)?;
        Ok(Exit::SUCCESS)
    }
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}

fn line(kind: &str, counts: (usize, usize), size: f64, free: String) -> Row {
    Row::new([
        ("Type", kind.into()),
        ("TotalCount", counts.0.to_string().into()),
        ("Active", counts.1.to_string().into()),
        ("Size", decimal_size(size).into()),
        ("Reclaimable", free.into()),
    ])
}

/// `0B (12%)`; without a share where there is nothing at all.
fn share(free: f64, all: f64) -> String {
    if all <= 0.0 {
        return decimal_size(free);
    }
    format!("{} ({}%)", decimal_size(free), (free * 100.0 / all).trunc())
}

fn images(usage: &Value) -> Row {
    let images = list(usage, "Images");
    let size = number(usage, "LayersSize");
    let used: Vec<&&Value> = images
        .iter()
        .filter(|image| number(image, "Containers") > 0.0)
        .collect();
    // What used images hold alone; shared layers count as free, as in docker.
    let held: f64 = used
        .iter()
        .map(|image| (number(image, "Size"), number(image, "SharedSize")))
        .filter(|(size, shared)| *size >= 0.0 && *shared >= 0.0)
        .map(|(size, shared)| size - shared)
        .sum();
    let free = (size - held).max(0.0);
    line(
        "Images",
        (images.len(), used.len()),
        size,
        share(free, size),
    )
}

fn containers(usage: &Value) -> Row {
    let containers = list(usage, "Containers");
    let runs = |one: &&&Value| {
        matches!(
            one["State"].as_str(),
            Some("running" | "paused" | "restarting")
        )
    };
    let size: f64 = containers.iter().map(|one| number(one, "SizeRw")).sum();
    let active: Vec<_> = containers.iter().filter(runs).collect();
    let held: f64 = active.iter().map(|one| number(one, "SizeRw")).sum();
    line(
        "Containers",
        (containers.len(), active.len()),
        size,
        share(size - held, size),
    )
}

fn volumes(usage: &Value) -> Row {
    let volumes = list(usage, "Volumes");
    let data = |volume: &&Value| {
        (
            number(&volume["UsageData"], "Size").max(0.0),
            number(&volume["UsageData"], "RefCount"),
        )
    };
    let size: f64 = volumes.iter().map(|volume| data(volume).0).sum();
    let active = volumes.iter().filter(|volume| data(volume).1 > 0.0).count();
    let free: f64 = volumes
        .iter()
        .map(data)
        .filter(|(_, links)| *links == 0.0)
        .map(|(size, _)| size)
        .sum();
    line(
        "Local Volumes",
        (volumes.len(), active),
        size,
        share(free, size),
    )
}

fn cache(usage: &Value) -> Row {
    let records = list(usage, "BuildCache");
    let active = records
        .iter()
        .filter(|record| record["InUse"] == true)
        .count();
    let size = |records: &[&Value]| -> f64 {
        records
            .iter()
            .filter(|record| record["Shared"] != true)
            .map(|record| number(record, "Size"))
            .sum()
    };
    let used: Vec<&Value> = records
        .iter()
        .copied()
        .filter(|record| record["InUse"] == true)
        .collect();
    let all = size(&records);
    line(
        "Build Cache",
        (records.len(), active),
        all,
        share(all - size(&used), all),
    )
}
