//! `gantry system df -v`: every object with its size.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use super::usage::list;
use crate::command::{container, image, volume};
use crate::context::Context;
use crate::format::{Listing, Row, decimal_size};

const IMAGES: &str = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}";
const CONTAINERS: &str = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}";
const VOLUMES: &str = "table {{.Name}}\t{{.Links}}\t{{.Size}}";
const CACHE: Listing = Listing {
    columns: &[
        ("ID", "CACHE ID"),
        ("CacheType", "CACHE TYPE"),
        ("Size", "SIZE"),
        ("CreatedSince", "CREATED"),
        ("LastUsedSince", "LAST USED"),
        ("UsageCount", "USAGE"),
        ("Shared", "SHARED"),
    ],
    table: "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}",
    kind: "*formatter.buildCacheContext",
};

/// Prints the four tables.
pub(super) fn print(cx: &Context, usage: &Value, format: &str) -> Result<()> {
    if !matches!(format, "" | "table") {
        anyhow::bail!("--format with --verbose is not built yet");
    }
    let now = Timestamp::now();
    let images: Vec<Row> = list(usage, "Images")
        .into_iter()
        .flat_map(|one| image::ls::names(one, false))
        .map(|named| image::ls::row(&named, true, now))
        .collect();
    let containers: Vec<Row> = list(usage, "Containers")
        .into_iter()
        .map(|one| own_size(one, now))
        .collect();
    let mut volumes = list(usage, "Volumes");
    volumes.sort_by_key(|volume| volume["Name"].as_str().unwrap_or_default());
    let volumes: Vec<Row> = volumes.into_iter().map(volume::row).collect();
    let records = list(usage, "BuildCache");
    let size: f64 = records
        .iter()
        .filter(|record| record["Shared"] != true)
        .filter_map(|record| record["Size"].as_f64())
        .sum();
    let records: Vec<Row> = records
        .into_iter()
        .map(|record| cached(record, now))
        .collect();
    let text = format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\nBuild cache usage: {}\n\n{}",
        image::ls::LISTING.render(IMAGES, &images)?,
        container::LISTING.render(CONTAINERS, &containers)?,
        volume::LISTING.render(VOLUMES, &volumes)?,
        decimal_size(size),
        CACHE.render("", &records)?,
    );
    Ok(cx.printer.raw(text.as_bytes())?)
}

/// A container with what it wrote itself, without the image beneath.
fn own_size(one: &Value, now: Timestamp) -> Row {
    let mut one = one.clone();
    one["SizeRootFs"] = Value::Null;
    container::row(&one, true, now)
}

fn cached(record: &Value, now: Timestamp) -> Row {
    let ago = |key: &str| {
        let moment = record[key]
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok());
        moment
            .map(|moment| format!("{} ago", crate::format::since(moment, now)))
            .unwrap_or_default()
    };
    let id = record["ID"].as_str().unwrap_or_default();
    let mark = if record["InUse"] == true { "*" } else { "" };
    Row::new([
        ("ID", format!("{}{mark}", container::short_id(id)).into()),
        ("CacheType", record["Type"].clone()),
        (
            "Size",
            decimal_size(record["Size"].as_f64().unwrap_or(0.0)).into(),
        ),
        ("CreatedSince", ago("CreatedAt").into()),
        ("LastUsedSince", ago("LastUsedAt").into()),
        (
            "UsageCount",
            record["UsageCount"]
                .as_i64()
                .unwrap_or(0)
                .to_string()
                .into(),
        ),
        ("Shared", (record["Shared"] == true).to_string().into()),
    ])
}
